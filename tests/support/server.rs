//! The program as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::{Answer, Client, PATIENCE, eventually, number, program, text};

/// A process, which is killed when this is dropped.
pub struct Process(pub Child);

impl Process {
    /// Waits for its end, and returns its exit code, if it has one.
    pub fn exit_code(&mut self) -> Option<i32> {
        eventually("the program's end", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, serving.
pub struct Server {
    pub process: Process,
    pub ready_line: String,
    pub port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a free port with a JSON trace, and waits for its ready line.
    pub fn start(args: &[&str], file: &Path) -> Self {
        Self::start_traced("json", args, file)
    }

    /// The same with another format of the trace.
    pub fn start_traced(format: &str, args: &[&str], file: &Path) -> Self {
        let mut command = program();
        command.args(["--port", "0", "--trace", format]).args(args).arg(file);
        Self::run(command)
    }

    pub fn run(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut server = Self::run_unread(command);
        server.read_stderr();
        server
    }

    /// Starts it without reading its stderr. If that is a pipe, [`Server::read_stderr`] reads it later.
    pub fn run_unread(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut process = Process(child);
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let (give, given) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            give.send(stdout.read_line(&mut line).map(|_| line))
        });
        let ready_line = given.recv_timeout(PATIENCE).expect("a ready line").unwrap();
        let port = ready_line.split(['/', ' ']).find_map(|part| part.rsplit_once(':')?.1.parse().ok());
        let Some(port) = port else {
            let _ = process.0.kill();
            let said = process.0.stderr.take().map(std::io::read_to_string);
            panic!("no port in {ready_line:?}, {said:?}")
        };
        Self { process, ready_line, port, lines: Arc::default(), reading: None }
    }

    /// Reads its stderr from now on.
    pub fn read_stderr(&mut self) {
        let stderr = BufReader::new(self.process.0.stderr.take().unwrap());
        let kept = Arc::clone(&self.lines);
        self.reading = Some(thread::spawn(move || {
            for line in stderr.lines() {
                kept.lock().unwrap().push(line.unwrap());
            }
        }));
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn client(&self) -> Client {
        Client::to(self.address())
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, lines: &str) -> Answer {
        self.client().ask(lines)
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1"))
    }

    /// The lines on stderr so far.
    pub fn stderr(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for at least `count` lines on stderr, and returns all of them. Each line has its own time, since a busy machine
    /// may take long for many.
    pub fn stderr_lines(&self, count: usize) -> Vec<String> {
        for nth in 1..=count {
            let has_come = || (self.lines.lock().unwrap().len() >= nth).then_some(());
            eventually(&format!("line {nth} of {count} on stderr"), has_come);
        }
        self.stderr()
    }

    /// The same for request lines.
    pub fn requests(&self, count: usize) -> Vec<String> {
        let mut others = 1;
        loop {
            let lines = self.stderr_lines(count + others).into_iter();
            let (requests, rest): (Vec<_>, Vec<_>) = lines.partition(|line| text(line, "event") == "request");
            if requests.len() >= count {
                return requests;
            }
            others = rest.len();
        }
    }

    /// The line of request `count`, which must be the last one so far.
    pub fn request(&self, count: usize) -> String {
        let requests = self.requests(count);
        assert_eq!(requests.len(), count, "{requests:#?}");
        requests[count - 1].clone()
    }

    /// One figure of `/heap.json`, asked for on a connection of its own.
    pub fn figure(&self, name: &str) -> u64 {
        number(self.get("/heap.json").text(), name)
    }

    /// Asks for figures of `/heap.json` on one connection. A connection for each would itself need memory and a thread.
    pub fn figures(&self) -> impl FnMut(&str) -> u64 + use<> {
        let mut client = self.client();
        move |name| number(client.ask("GET /heap.json HTTP/1.1").text(), name)
    }

    /// Follows `/heap/events`, and returns the messages as they come.
    pub fn events(&self) -> impl Iterator<Item = String> + use<> {
        let mut client = self.client();
        client.send("GET /heap/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.reader.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
    }

    /// Stops it as Ctrl-C does, and returns all lines of its stderr. Its exit code must be 0.
    #[cfg(unix)]
    pub fn stop(mut self, signal: &str) -> Vec<String> {
        self.signal(signal);
        assert_eq!(self.process.exit_code(), Some(0), "{:?}", self.stderr().last());
        let reading = self.reading.take().unwrap();
        eventually("the end of stderr", || reading.is_finished().then_some(()));
        reading.join().unwrap();
        self.stderr()
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Sends these openings, each on a connection of its own, while the process is stopped. So it finds each with the
    /// connection, however busy the machine is, and no timeout is over before. On Windows, it is not stopped.
    pub fn clients_with<T: AsRef<[u8]>>(&self, openings: impl IntoIterator<Item = T>) -> Vec<Client> {
        #[cfg(unix)]
        self.signal("STOP");
        let send = |opening: T| {
            let mut client = self.client();
            client.send(opening);
            client
        };
        let clients = openings.into_iter().map(send).collect();
        #[cfg(unix)]
        self.signal("CONT");
        clients
    }

    /// How many entries a folder of `/proc/PID` has: `fd` has the open descriptors, `task` the threads.
    #[cfg(target_os = "linux")]
    pub fn proc_entries(&self, folder: &str) -> usize {
        std::fs::read_dir(format!("/proc/{}/{folder}", self.process.0.id())).unwrap().count()
    }

    /// How many of its open descriptors are sockets: two for each connection, those that listen, and one more while the
    /// server looks at a socket.
    #[cfg(target_os = "linux")]
    pub fn sockets(&self) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.process.0.id())).unwrap();
        // A descriptor that is closed meanwhile cannot be read.
        let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }
}
