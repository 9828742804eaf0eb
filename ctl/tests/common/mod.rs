//! A listener with canned answers in place of an AWS service, and the client with an environment of its own.
#![allow(dead_code, reason = "not every file of tests needs all of it")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

/// What the listener does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Answer(fn(&Value) -> (u16, Value)),
    Silence,
    Cut,
}

/// A request as it arrived.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// A listener, and the requests that reached it.
pub(crate) fn listener(then: Then) -> (String, Receiver<Request>) {
    noting(then, |request| request)
}

/// A listener, and this much of the requests that reached it. Each is noted before it is answered.
pub(crate) fn noting<T: Send + 'static>(then: Then, note: fn(Request) -> T) -> (String, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One request at a time is all that a client of one command sends.
            while let Some(request) = request(&mut stream) {
                let body = request.body.clone();
                let _ = sender.send(note(request));
                let Then::Answer(answer) = then else { break };
                let (code, body) = answer(&body);
                let (body, kind) = (body.to_string(), body["__type"].as_str().unwrap_or_default().to_owned());
                write!(
                    stream,
                    "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nx-amzn-errortype: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
            if let Then::Silence = then {
                open.push(stream);
            }
        }
    });
    (url, receiver)
}

fn request(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut head) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body: serde_json::from_slice(&body).ok()? })
}

/// The client with nothing of the machine's.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ctl"));
    command.args(words).env_clear().env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    command
}

/// The same for a function at this address, without credentials.
pub(crate) fn ctl(words: &[&str], url: &str) -> Command {
    let mut command = command(words);
    command
        .args(["--function", "orders"])
        .env("AWS_ENDPOINT_URL_LAMBDA", url)
        .env("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url)
        .env("AWS_REGION", "us-east-1");
    command
}

/// The same with credentials.
pub(crate) fn with_keys(words: &[&str], url: &str) -> Command {
    let mut command = ctl(words, url);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

/// The exit code and what a person reads, as one line.
pub(crate) fn read(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).replace('\n', " "))
}

/// Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// The client at a terminal of 80 columns, and what it has shown.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    pub(crate) fn open(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let size = rustix::termios::Winsize { ws_row: 40, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&ours, size).unwrap();
        let theirs = || {
            Stdio::from(OwnedFd::from(File::options().read(true).write(true).open(Path::new(&name)).unwrap()))
        };
        let child =
            command.env("TERM", "xterm").stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().unwrap();
        // The command holds the terminal's other end open, too.
        drop(command);
        let keys = File::from(ours);
        let mut screen = keys.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                let _ = sender.send(buffer[..read].to_vec());
            }
        });
        Self { child, keys, shown, seen: String::new() }
    }

    /// Waits until this is on the screen, and forgets what came before it.
    pub(crate) fn until(&mut self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some((before, after)) = self.seen.split_once(words) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.seen = after;
                return before;
            }
            let left = end.saturating_duration_since(Instant::now());
            let more =
                self.shown.recv_timeout(left).unwrap_or_else(|_| panic!("no {words:?} in {}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    pub(crate) fn press(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }

    pub(crate) fn exit(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}
