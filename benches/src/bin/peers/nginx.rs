//! How nginx is set up: as it comes, with `sendfile` and, since all servers log, with its access log.

use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

use crate::peer::StartOptions;

/// Enough for all clients that are ever held, should one worker have them all; by itself it is 512.
const WORKER_CONNECTIONS: u32 = 16_384;

/// Writes the configuration, and tells the words that start nginx with it.
pub fn words(options: StartOptions<'_>) -> io::Result<Vec<OsString>> {
    let path = options.folder.join("nginx.conf");
    let root = options.file.parent().unwrap_or(Path::new("/"));
    let is_root = rustix::process::geteuid().is_root();
    fs::write(&path, configuration(root, options.folder, options.port, is_root))?;
    let words = ["nginx".into(), "-p".into(), options.folder.into(), "-c".into(), path.into()];
    Ok(words.to_vec())
}

/// All that it would write elsewhere goes into a folder of its own.
fn configuration(root: &Path, folder: &Path, port: u16, is_root: bool) -> String {
    let (root, folder) = (root.display(), folder.display());
    // Started by root, its workers would be somebody who may not read a temporary folder.
    let user = if is_root { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path \"{folder}/nginx-{name}\";\n"))
        .concat();
    format!(
        "{user}daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid \"{folder}/nginx.pid\";
error_log \"{folder}/nginx-error.log\";
events {{
  worker_connections {WORKER_CONNECTIONS};
}}
http {{
{temporary}  access_log \"{folder}/nginx-access.log\";
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    root \"{root}\";
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_its_own_folder() {
        let text = configuration(Path::new("/served"), Path::new("/a b"), 7, true);
        assert!(text.starts_with("user root;\ndaemon off;\nworker_processes auto;\n"), "{text}");
        for line in [
            "  sendfile on;",
            "    listen 127.0.0.1:7;",
            "    root \"/served\";",
            "  access_log \"/a b/nginx-access.log\";",
            "pid \"/a b/nginx.pid\";",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        let plain = configuration(Path::new("/served"), Path::new("/a"), 7, false);
        assert!(!plain.contains("user"), "{plain}");
    }

    /// nginx itself takes it, where there is one.
    #[test]
    fn nginx_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.bin");
        let options = StartOptions {
            file: &file,
            port: 7,
            chunk_bytes: None,
            is_logging: true,
            clients: None,
            folder: folder.path(),
        };
        let words = words(options).unwrap();
        let mut command = std::process::Command::new(&words[0]);
        let Ok(output) = command.args(&words[1..]).arg("-t").output() else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
