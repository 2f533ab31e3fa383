//! The configuration of nginx: its defaults, with `sendfile` and, because all servers log, with its
//! access log.

use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

/// Enough for all non-reading clients, even if one worker has accepted them all. The default is 512.
const WORKER_CONNECTIONS: u32 = 16_384;

/// Writes the configuration to a folder, and returns the command that starts nginx with it.
pub(super) fn command(file: &Path, port: u16, folder: &Path) -> io::Result<Vec<OsString>> {
    let path = folder.join("nginx.conf");
    let root = file.parent().unwrap_or(Path::new("/"));
    let is_root = rustix::process::geteuid().is_root();
    fs::write(&path, configuration(root, folder, port, is_root))?;
    Ok(["nginx".into(), "-p".into(), folder.into(), "-c".into(), path.into()].into())
}

/// Returns a configuration with which nginx writes all its files to the folder.
fn configuration(root: &Path, folder: &Path, port: u16, is_root: bool) -> String {
    let (root, folder) = (root.display(), folder.display());
    // By default, the workers of root run as a user who cannot read a temporary folder.
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
    fn all_files_are_in_the_folder() {
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
        let other = configuration(Path::new("/served"), Path::new("/a"), 7, false);
        assert!(!other.contains("user"), "{other}");
    }

    /// Does nothing if nginx is not installed.
    #[test]
    fn nginx_accepts_the_configuration() {
        let folder = harness::TempFolder::new().unwrap();
        let words = command(&folder.path().join("file.bin"), 7, folder.path()).unwrap();
        let mut command = std::process::Command::new(&words[0]);
        let Ok(output) = command.args(&words[1..]).arg("-t").output() else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
