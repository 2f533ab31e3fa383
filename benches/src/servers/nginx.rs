//! The configuration of nginx: its defaults, with `sendfile` and, because all servers log, with its
//! access log.

use std::ffi::OsString;
use std::path::Path;
use std::{fs, io};

/// Enough for all non-reading clients, even if one worker has accepted them all. The default is 512.
const WORKER_CONNECTIONS: u32 = 16_384;

/// Writes the configuration to a folder, and returns the command that starts nginx with it. All files
/// that nginx writes are in the folder.
pub(super) fn command(file: &Path, port: u16, folder: &Path) -> io::Result<Vec<OsString>> {
    let path = folder.join("nginx.conf");
    let (root, place) = (file.parent().unwrap_or(Path::new("/")).display(), folder.display());
    let is_root = rustix::process::geteuid().is_root();
    // By default, the workers of root run as a user who cannot read a temporary folder.
    let user = if is_root { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path \"{place}/nginx-{name}\";\n"))
        .concat();
    let configuration = format!(
        "{user}daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid \"{place}/nginx.pid\";
error_log \"{place}/nginx-error.log\";
events {{
  worker_connections {WORKER_CONNECTIONS};
}}
http {{
{temporary}  access_log \"{place}/nginx-access.log\";
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    root \"{root}\";
  }}
}}
"
    );
    fs::write(&path, configuration)?;
    Ok(["nginx".into(), "-p".into(), folder.into(), "-c".into(), path.into()].into())
}
