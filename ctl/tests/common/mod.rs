//! A listener with canned answers in place of an AWS service, and the client with an environment of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

/// What the listener does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Answer(fn(&Value) -> (u16, Value)),
    #[allow(dead_code, reason = "not every file of tests needs it")]
    Silence,
    #[allow(dead_code, reason = "as Silence")]
    Cut,
}

/// A request as it arrived.
pub(crate) struct Request {
    #[allow(dead_code, reason = "not every file of tests reads it")]
    pub(crate) head: String,
    #[allow(dead_code, reason = "as head")]
    pub(crate) body: Value,
}

/// A listener, and the requests that reached it.
pub(crate) fn listener(then: Then) -> (String, Receiver<Request>) {
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
                let _ = sender.send(request);
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

/// The client without credentials, and with nothing of the machine's.
pub(crate) fn ctl(words: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ctl"));
    command
        .args(words)
        .args(["--function", "orders"])
        .env_clear()
        .env("AWS_ENDPOINT_URL_LAMBDA", url)
        .env("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null());
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
