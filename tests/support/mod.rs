//! The built program as a user starts it, and clients that speak raw HTTP over std's sockets.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that must happen may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of its own for each test, gone when it ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("heapserve-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file whose every 8 bytes say where they stand, so that bytes at a wrong place show.
    pub fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content(bytes)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn content(bytes: usize) -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..bytes as u64 / 8 + 1).flat_map(|word| (word * 8 + 1).to_le_bytes()).collect();
    content.truncate(bytes);
    content
}

pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_heapserve"))
}

/// The program, serving; it dies with this.
pub struct Server {
    pub child: Child,
    pub ready_line: String,
    pub port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    ended: Receiver<()>,
}

impl Server {
    /// Starts it on a free port with a JSON trace, and waits for its ready line.
    pub fn start(args: &[&str], file: &Path) -> Self {
        let mut command = program();
        command.args(["--port", "0", "--trace", "json"]).args(args).arg(file);
        Self::run(command)
    }

    /// The same with so many descriptors at most. The program raises the soft limit to the hard one, so both are set.
    #[cfg(unix)]
    pub fn start_with_descriptors(descriptors: u32, file: &Path) -> Self {
        let mut command = Command::new("sh");
        let limited =
            format!("ulimit -n {descriptors} && exec \"$0\" --port 0 --trace json --timeout 2 \"$1\"");
        command.arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_heapserve")).arg(file);
        Self::run(command)
    }

    pub fn run(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut server = Self::run_unread(command);
        server.read_stderr();
        server
    }

    /// Nobody reads its stderr, whatever that is; if it is a pipe, `read_stderr` does later.
    pub fn run_unread(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready_line).unwrap();
        let port = ready_line.split(['/', ' ']).find_map(|part| part.rsplit_once(':')?.1.parse().ok());
        let port = port.unwrap_or_else(|| {
            let said = child.stderr.take().map(std::io::read_to_string);
            panic!("no port in {ready_line:?}, {said:?}")
        });
        Self { child, ready_line, port, lines: Arc::default(), ended: channel().1 }
    }

    /// Reads its stderr from now on.
    pub fn read_stderr(&mut self) {
        let (end, ended) = channel();
        self.ended = ended;
        let stderr = BufReader::new(self.child.stderr.take().unwrap());
        let kept = Arc::clone(&self.lines);
        thread::spawn(move || {
            for line in stderr.lines() {
                kept.lock().unwrap().push(line.unwrap());
            }
            let _ = end.send(());
        });
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn client(&self) -> Client {
        Client::to(self.address())
    }

    /// One request on a connection of its own.
    pub fn ask(&self, lines: &str) -> Answer {
        self.client().ask(lines)
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1"))
    }

    /// Everything on stderr so far.
    pub fn stderr(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The request lines, once there are at least `count`.
    pub fn requests(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} request lines"), || {
            let all = self.stderr();
            let requests: Vec<_> = all.into_iter().filter(|l| text(l, "event") == "request").collect();
            (requests.len() >= count).then_some(requests)
        })
    }

    /// The line of the `count`th request, which must be the last one so far.
    pub fn request(&self, count: usize) -> String {
        let requests = self.requests(count);
        assert_eq!(requests.len(), count, "{requests:#?}");
        requests[count - 1].clone()
    }

    /// One figure of `/heap.json`.
    pub fn figure(&self, name: &str) -> u64 {
        let answer = self.get("/heap.json");
        number(str::from_utf8(&answer.body).unwrap(), name)
    }

    /// Asks it to stop, as Ctrl-C does; its exit code and last line.
    #[cfg(unix)]
    pub fn stop(mut self, signal: &str) -> (i32, String) {
        self.signal(signal);
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.ended.recv_timeout(PATIENCE).unwrap();
        (code, self.stderr().pop().unwrap_or_default())
    }

    /// Waits for its end; its exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        eventually("the program's end", || self.child.try_wait().unwrap()).code()
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// A line of /proc/PID/status, or the number of entries of a folder there.
    #[cfg(target_os = "linux")]
    pub fn proc_entries(&self, folder: &str) -> usize {
        fs::read_dir(format!("/proc/{}/{folder}", self.child.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let reader = BufReader::with_capacity(1 << 20, stream.try_clone().unwrap());
        Self { stream, reader }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// A request of these lines, with a Host; its answer.
    pub fn ask(&mut self, lines: &str) -> Answer {
        self.send(format!("{lines}\r\nHost: localhost\r\n\r\n").replace("\n", "\r\n").replace("\r\r", "\r"));
        self.answer(lines.starts_with("HEAD"))
    }

    pub fn answer(&mut self, to_head: bool) -> Answer {
        let mut answer = self.head();
        let length = answer.field("Content-Length").map(|length| length.parse().unwrap());
        if !to_head && answer.status != 304 && answer.status != 204 {
            let mut body = Vec::new();
            let most = length.unwrap_or(u64::MAX);
            // A connection that breaks off leaves a short body, which is for the test to judge.
            let _ = self.reader.by_ref().take(most).read_to_end(&mut body);
            answer.body = body;
        }
        answer
    }

    /// Only the head of an answer.
    pub fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).unwrap() > 0, "closed after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Reads exactly so many bytes of a body.
    pub fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        self.reader.read_exact(&mut body).unwrap();
        body
    }

    /// Whether the server ends the connection, rather than letting it wait; what still came is thrown away.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => matches!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }

    /// Ends the connection with a reset: something was sent that nobody read.
    pub fn leave(self) {
        drop(self);
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// So many requests for one byte on each of so many connections at once; all must be answered.
pub fn load(address: SocketAddr, connections: usize, requests: usize) {
    let ask_all = move || {
        let mut client = Client::to(address);
        for _ in 0..requests {
            assert_eq!(client.ask("GET / HTTP/1.1\nRange: bytes=0-0").status, 206);
        }
    };
    thread::scope(|scope| (0..connections).for_each(|_| drop(scope.spawn(ask_all))));
}

/// A number of a line of JSON.
pub fn number(line: &str, name: &str) -> u64 {
    raw(line, name).parse().unwrap_or_else(|_| panic!("no number {name} in {line}"))
}

/// A text of a line of JSON, without its quotes.
pub fn text(line: &str, name: &str) -> String {
    raw(line, name).trim_matches('"').to_owned()
}

pub fn raw<'a>(line: &'a str, name: &str) -> &'a str {
    let key = format!("\"{name}\":");
    let start = line.find(&key).unwrap_or_else(|| panic!("no {name} in {line}")) + key.len();
    let rest = &line[start..];
    let end = match rest.as_bytes()[0] {
        b'"' => rest[1..].find('"').unwrap() + 2,
        b'[' => rest.find(']').unwrap() + 1,
        _ => rest.find([',', '}']).unwrap(),
    };
    &rest[..end]
}

/// Waits for something that must happen.
pub fn eventually<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = happened() {
            return it;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
