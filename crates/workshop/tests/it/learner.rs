//! What a learner does.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::sample::{RIGHT, Sample, server};
use crate::{assert_says, wait_for};

#[test]
fn from_red_to_green() {
    let sample = Sample::new();
    let (code, says) = sample.run(&[]);
    assert_eq!(code, 0);
    assert_says(&says, &["Welcome", "Exercise 01, Say it first (5 minutes)", "main.rs:19"]);

    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1, "{says}");
    let red = ["RED    size-1", "came", "byte 0 differs", "The file comes, but nothing before it."];
    assert_says(&says, &red);
    assert_says(&says, &["Red is where every exercise begins", "just exercise hint 01"]);

    assert_says(&sample.run(&["hint"]).1, &["Hint 1 of 3", "A nudge.", "just exercise hint 01"]);
    assert_says(&sample.run(&["hint", "1"]).1, &["Hint 2 of 3", "A direction."]);
    let (_, again) = sample.run(&["hint", "01-say-it", "--again"]);
    assert_says(&again, &["A nudge.", "A direction."]);
    assert!(!again.contains("Nearly."), "{again}");

    sample.learner_writes(&server(RIGHT));
    let (code, says) = sample.run(&["check", "01"]);
    assert_eq!(code, 0, "{says}");
    assert_says(&says, &["Green: exercise 01 is done, 1 of 2.", "(02, Say it first: 5 minutes)"]);
    assert_says(&sample.run(&["list"]).1, &[" 01  done", "2 hints", " 02  next", "1 of 2 done."]);
    assert_says(&sample.run(&["next"]).1, &["Exercise 02"]);
    assert_says(&sample.read(".progress"), &["It is plain text", "01-say-it done 2", "hints 2"]);
}

#[test]
fn a_stumble_explains_a_later_red() {
    let sample = Sample::new();
    sample.learner_writes(&sample.read("01-say-it/wrong/crlf.rs"));
    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_says(&says, &["held   size-1", "RED    preamble", "A line ends with a bare newline"]);
}

#[test]
fn what_does_not_compile_is_said() {
    let sample = Sample::new();
    sample.learner_writes(&server("stream.write_al(b\"\")?;"));
    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_says(&says, &["no method named `write_al`", "It does not compile yet.", "main.rs:19"]);
}

#[test]
fn a_server_that_never_listens_is_cut_off() {
    let sample = Sample::new();
    sample.learner_writes("fn main() { loop { std::thread::park() } }");
    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_says(&says, &["RED    size-1", "nobody listens on port", "later  preamble"]);
    assert_says(&says, &["Your server runs, but not where"]);
}

#[test]
fn what_nobody_foresaw_is_explained_in_general() {
    let sample = Sample::new();
    let reply =
        r#"stream.write_all(if content.len() == 1 { b"HTTP/1.1\n\n" } else { b"HTTP/1.1\n!" })?;"#;
    sample.learner_writes(&server(reply));
    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1);
    assert_says(
        &says,
        &["held   size-1", "RED    preamble", "byte 9 differs", "from there on it is not"],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_server_uses_is_counted() {
    let sample = Sample::new();
    let threads = server(RIGHT).replace(
        "serve_client(stream?, &arguments[1])?;",
        "let (stream, path) = (stream?, arguments[1].clone());
        std::thread::spawn(move || serve_client(stream, &path));",
    );
    sample.learner_writes(&threads);
    sample.write("lessons/exercises/01-say-it/starter/main.rs", &threads);
    let starter = "\n[[example]]\nname = \"starter-01\"\npath = \"starter/main.rs\"\n";
    sample.append("01-say-it/Cargo.toml", starter);
    let measures = [
        ("threads", "clients = 4\nat_most = 2"),
        ("memory-kib", "clients = 4\nbytes = 2_000_000\nat_most = 1000"),
        ("read-calls", "bytes = 1_000_000\nat_least = 1000"),
        ("cpu-ms", "clients = 1\nbytes = 2_000_000\nat_most = 900"),
        ("blocked-in", "clients = 1\nbytes = 2_000_000\nis = \"write sendto\""),
        ("times-starter", "bytes = 1000\nat_most = 1000"),
        ("source-lacks", "word = \"thread::spawn\""),
    ];
    for (what, bounds) in measures {
        let measure = format!("[[measure]]\nwhat = \"{what}\"\n{bounds}\nsay = \"Of {what}.\"\n");
        sample.append("01-say-it/exercise.toml", &measure);
    }
    let (code, says) = sample.run(&["check"]);
    assert_eq!(code, 1);
    let verdicts = [
        "held   preamble",
        "RED    threads        Threads with 4 clients that do not read: 2 at most",
        "RED    memory-kib",
        "RED    read-calls",
        "held   cpu-ms",
        "held   blocked-in     write or sendto",
        "held   times-starter",
        "RED    source-lacks",
        // One for each client, and the one that accepts.
        "it was 5",
        "Of threads.",
    ];
    assert_says(&says, &verdicts);
}

#[test]
fn no_work_is_lost_by_a_reset() {
    let sample = Sample::new();
    assert_says(&sample.run(&["reset", "01"]).1, &["nothing to reset"]);
    sample.learner_writes("fn main() {} // hours of work");
    sample.write("lessons/exercises/01-say-it/src/more.rs", "// more of it");
    let (code, says) = sample.run(&["reset", "01"]);
    assert_eq!(code, 0, "{says}");
    assert_eq!(sample.read("01-say-it/src/main.rs"), sample.read("01-say-it/starter/main.rs"));
    assert!(!sample.path("01-say-it/src/more.rs").exists());
    let copies = std::fs::read_dir(sample.path(".copies/01-say-it")).unwrap();
    let copies: Vec<_> = copies.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(copies.len(), 1);
    let kept = std::fs::read_to_string(copies[0].join("main.rs")).unwrap();
    assert_eq!(kept, "fn main() {} // hours of work");
    assert!(copies[0].join("more.rs").exists());
    assert_says(&sample.run(&["reset"]).1, &["NN"]);
}

#[test]
fn a_solution_is_shown_to_who_wants_it() {
    let sample = Sample::new();
    let (code, says) = sample.run(&["solution", "1"]);
    assert_eq!(code, 2);
    assert_says(&says, &["--yes"]);
    assert!(!says.contains("write_all"), "{says}");
    assert_says(&sample.run(&["solution", "1", "--yes"]).1, &["One solution of many", RIGHT]);
    assert_says(&sample.run(&["list"]).1, &["solution seen"]);
}

#[test]
fn who_is_not_there_is_named() {
    let sample = Sample::new();
    let (code, says) = sample.run(&["check", "7"]);
    assert_eq!(code, 2);
    assert_says(&says, &["no exercise \"7\"", "01 to 02", "just exercise list"]);
}

#[test]
fn watch_checks_whatever_is_saved() {
    let sample = Sample::new();
    let mut watch = sample.command(&["watch"]).stdin(Stdio::piped()).spawn().unwrap();
    let text = Arc::new(Mutex::new(String::new()));
    let (stdout, told) = (watch.stdout.take().unwrap(), Arc::clone(&text));
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            told.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    let says = |words: &str| wait_for(words, || text.lock().unwrap().contains(words));
    says("RED    size-1");
    says("Waiting until");
    // As an editor that writes beside the file and renames.
    sample.write("lessons/exercises/01-say-it/src/main.rs.new", &server(RIGHT));
    let main = sample.path("01-say-it/src/main.rs");
    std::fs::rename(sample.path("01-say-it/src/main.rs.new"), main).unwrap();
    says("Saved: checking again.");
    says("Green: exercise 01 is done");
    let mut stdin = watch.stdin.take().unwrap();
    stdin.write_all(b"n\n").unwrap();
    says("Exercise 02, Say it first: 2 checks");
    stdin.write_all(b"q\n").unwrap();
    assert_eq!(crate::sample::ended(watch).0, 0);
}

#[cfg(unix)]
mod signals {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use crate::sample::{RIGHT, Sample, ended, server, told_in};
    use crate::wait_for;

    fn signal(name: &str, pid: &str) -> bool {
        Command::new("kill").args([name, pid]).output().unwrap().status.success()
    }

    #[test]
    fn an_interrupt_leaves_no_server() {
        let sample = Sample::new();
        // It is there, but not for clients: whoever checks it waits.
        sample.learner_writes(&server(RIGHT).replace(
            "let listener",
            "loop { std::thread::park() }\n    #[allow(unreachable_code)]\n    let listener",
        ));
        let pid_file = sample.path("pid");
        let check = sample.command(&["check"]).env("PID_FILE", &pid_file).spawn().unwrap();
        let server = told_in(&pid_file);
        assert!(signal("-INT", &check.id().to_string()));
        assert_eq!(ended(check).0, 130);
        wait_for("the server's end", || !signal("-0", &server));
    }

    #[test]
    fn run_serves_the_learner_until_an_interrupt() {
        let sample = Sample::new();
        sample.learner_writes(&server(RIGHT));
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let (code, says) = sample.run(&["run", "1", "--port", &port.to_string()]);
        assert_eq!(code, 2);
        crate::assert_says(&says, &["mend: another one:\n  just exercise run 01 --port"]);
        drop(taken);
        let pid_file = sample.path("pid");
        let mut run = sample.command(&["run", "1", "--port", &port.to_string()]);
        let run = run.env("PID_FILE", &pid_file).spawn().unwrap();
        // It has taken the runner's place, so that signals are its own.
        assert_eq!(told_in(&pid_file), run.id().to_string());
        let mut got = Vec::new();
        wait_for("an answer", || {
            let stream = TcpStream::connect(("127.0.0.1", port));
            stream.and_then(|mut stream| stream.read_to_end(&mut got)).is_ok()
        });
        assert!(got.starts_with(b"HTTP/1.1\n\n"));
        assert!(signal("-INT", &run.id().to_string()));
        ended(run);
    }
}
