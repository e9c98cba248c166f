//! The page beside the line, as a browser or another program gets it from a running station: what it shows, who may act,
//! and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::*;

/// A running station with its page.
struct Page {
    station: Child,
    address: SocketAddr,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.station.kill();
        let _ = self.station.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl Line {
    fn with_page(parts: u32) -> Self {
        let line = Line::new(parts);
        line.change(
            "listen = \"off\"",
            "listen = \"127.0.0.1:0\"\n[journal]\npath = \"journal\"",
        );
        line
    }

    fn page(&self) -> Page {
        let mut station = self.program("run", &[]).spawn().unwrap();
        let mut messages = BufReader::new(station.stderr.take().unwrap());
        let address = loop {
            let mut message = String::new();
            assert!(messages.read_line(&mut message).unwrap() > 0, "it ended");
            if let Some((_, address)) = message.trim_end().split_once("http://") {
                break address.trim_end_matches('/').parse().unwrap();
            }
        };
        // What follows is read, so that the station never waits for it.
        std::thread::spawn(move || std::io::copy(&mut messages, &mut std::io::sink()));
        let mut table = station.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut table, &mut std::io::sink()));
        Page { station, address }
    }

    fn add_user(&self, name: &str, flags: &[&str]) {
        let mut command = Command::new(AECSAD)
            .args(["users", "add", name])
            .args(flags)
            .arg("--config")
            .arg(self.path("station.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = command.stdin.take().unwrap();
        input.write_all(b"long enough\n").unwrap();
        drop(input);
        assert!(command.wait().unwrap().success());
    }
}

impl Page {
    fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut head = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        // A server that refuses early closes before it has read all.
        let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_lowercase(),
            body: answer[end + 4..].to_vec(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "")
    }

    fn log_in(&self, name: &str, password: &str) -> (Answer, String, String) {
        let body = format!("{{\"name\": \"{name}\", \"password\": \"{password}\"}}");
        let answer = self.send("POST /api/login", &[], &body);
        let cookie = answer.head.split_once("set-cookie: ");
        let cookie = cookie
            .and_then(|(_, rest)| rest.split(';').next())
            .unwrap_or_default()
            .to_owned();
        let token = match answer.status {
            200 => answer.json()["token"].as_str().unwrap().to_owned(),
            _ => String::new(),
        };
        (answer, cookie, token)
    }

    fn wait_for_part(&self, part: u64, cookie: &str) {
        until("the part in the journal", || {
            let parts = self
                .send("GET /api/parts", &[("Cookie", cookie)], "")
                .json();
            parts["parts"].as_array().is_some_and(|parts| {
                parts
                    .iter()
                    .any(|shown| shown["part"].as_u64() == Some(part))
            })
        });
    }
}

#[test]
fn the_page_shows_the_line_at_work_and_lets_no_one_act() {
    let line = Line::with_page(80);
    let _actuator = line.actuator("pulses.csv", &[]);
    let page = line.page();
    let session = page.get("/api/session").json();
    assert_eq!(
        (&session["reads"], &session["acts"]),
        (&true.into(), &false.into())
    );
    page.wait_for_part(3, "");
    let state = page.get("/api/state").json();
    assert!(state["totals"]["parts"].as_u64().unwrap() >= 3, "{state}");
    assert_eq!(state["devices"][0]["name"], "camera");
    assert!(!state["recent"].as_array().unwrap().is_empty());
    let rejected = page.get("/api/parts?cause=bad").json();
    let part = &rejected["parts"].as_array().unwrap().last().unwrap();
    assert_eq!((&part["part"], &part["cause"]), (&3.into(), &"bad".into()));
    let counted = page.get("/api/counts?since_ms=0").json();
    let of = |name: &str| counted[name].as_i64().unwrap();
    assert!(of("bad") >= 1 && of("good") >= 2, "{counted}");
    assert_eq!(of("parts"), of("good") + of("bad") + of("no_verdict"));
    let later = page.get("/api/counts?since_ms=99999999999999").json();
    assert_eq!(later["parts"], 0);
    let around = page.get("/api/parts/1/3").json();
    assert_eq!(around["part"]["pulse"], "seen");
    assert!(around["neighbours"].as_array().unwrap().len() >= 3);
    for (file, begins) in [
        ("picture.png", &b"\x89PNG"[..]),
        ("heat.png", b"\x89PNG"),
        ("thumbnail.jpg", b"\xff\xd8"),
    ] {
        let picture = page.get(&format!("/api/parts/1/3/{file}"));
        assert!(
            picture.status == 200 && picture.body.starts_with(begins),
            "{file}"
        );
    }
    assert_eq!(
        page.get("/api/parts/1/2/picture.png").status,
        404,
        "a good part"
    );
    for (path, status) in [
        ("/api/parts/1/../../../station.toml", 404),
        ("/api/parts/1/3/..%2f..%2f..%2fstation.toml", 404),
        ("/../station.toml", 404),
        ("//etc/passwd", 404),
        ("/assets/..%2f..%2fstation.toml", 404),
        ("/api/parts/x/y", 400),
        ("/api/parts?cause=%3Cscript%3E", 400),
        ("/api/parts?limit=99999999999", 400),
        ("/api/counts", 400),
        ("/api/slots", 404),
        ("/api/trend?days=99999", 200),
        ("/metrics", 200),
        ("/", 200),
    ] {
        let answer = page.get(path);
        assert_eq!(answer.status, status, "{path}");
        for header in [
            "content-security-policy: default-src 'self'",
            "x-frame-options: deny",
        ] {
            assert!(answer.head.contains(header), "{path}: {}", answer.head);
        }
    }
    let documented = include_str!("../../docs/openapi.yaml");
    let paths = documented
        .lines()
        .filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':'));
    // Events go on for ever, and have a test of their own.
    for path in paths.filter(|path| *path != "api/events") {
        let path = path.replace("{run}", "1").replace("{part}", "3");
        let body = page.get(&format!("/{path}")).body;
        let unknown = String::from_utf8_lossy(&body).contains("no such address");
        assert!(!unknown, "docs/openapi.yaml has /{path}");
    }
    let review = page.send("POST /api/parts/1/3/review", &[], "{\"mark\": \"bad\"}");
    assert!(review.status == 401 && review.error().contains("aecsad users add"));
    // A site's script whose name leads here (DNS rebinding), and a proxy that forwards others.
    for header in [("Host", "evil.example"), ("X-Forwarded-For", "10.0.0.7")] {
        assert_eq!(page.send("GET /api/state", &[header], "").status, 403);
    }
}

#[test]
fn events_follow_the_line_with_the_picture_for_who_watches() {
    let line = Line::with_page(100);
    let _actuator = line.actuator("pulses.csv", &[]);
    let page = line.page();
    let mut stream = TcpStream::connect(page.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(
        stream,
        "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut events = BufReader::new(stream);
    let mut missing = vec!["state", "part", "picture"];
    while !missing.is_empty() {
        let mut text = String::new();
        events.read_line(&mut text).unwrap();
        missing.retain(|name| text.trim_end() != format!("event: {name}"));
    }
    let seen = page.get("/api/live/seen.jpg");
    assert!(seen.status == 200 && seen.body.starts_with(&[0xff, 0xd8]));
    assert!(seen.head.contains("x-aecsad-part: 1-"), "{}", seen.head);
    assert_eq!(page.get("/api/live/heat.jpg").status, 200);
    assert_eq!(page.get("/api/camera").json()["width"], 32);
}

#[test]
fn only_a_user_with_the_right_acts_and_only_from_the_page() {
    let line = Line::with_page(120);
    let _actuator = line.actuator("pulses.csv", &[]);
    let page = line.page();
    line.add_user("anna", &["--act"]);
    line.add_user("bert", &[]);
    // From now on no one looks without a session.
    let shut = page.get("/api/state");
    assert!(shut.status == 401 && shut.error().contains("log in"));
    assert_eq!(page.get("/metrics").status, 200);
    let (answer, cookie, token) = page.log_in("anna", "long enough");
    assert_eq!(answer.status, 200);
    for wanted in ["httponly", "samesite=strict"] {
        assert!(answer.head.contains(wanted), "{}", answer.head);
    }
    page.wait_for_part(3, &cookie);
    let mark = |headers: &[(&str, &str)]| {
        page.send("POST /api/parts/1/3/review", headers, "{\"mark\": \"bad\"}")
    };
    let (cookie, token) = (("Cookie", &*cookie), ("X-Aecsad-Token", &*token));
    assert_eq!(mark(&[cookie]).status, 403, "another site's form");
    assert_eq!(mark(&[cookie, ("X-Aecsad-Token", "forged")]).status, 403);
    assert_eq!(
        mark(&[cookie, token, ("Origin", "http://evil.example")]).status,
        403
    );
    assert_eq!(mark(&[("Cookie", "aecsad=forged"), token]).status, 401);
    let marked = mark(&[cookie, token]);
    assert_eq!(
        (marked.status, &marked.json()["review"]),
        (200, &"bad".into())
    );
    let (_, looking, looking_token) = page.log_in("bert", "long enough");
    let refused = mark(&[("Cookie", &looking), ("X-Aecsad-Token", &looking_token)]);
    assert!(refused.status == 403 && refused.error().contains("bert may only look"));

    let out = line.path("reviewed");
    let export = Command::new(AECSAD)
        .arg("export")
        .arg("--reviewed")
        .arg(&out)
        .arg("--config")
        .arg(line.path("station.toml"))
        .output()
        .unwrap();
    assert!(
        export.status.success(),
        "{}",
        String::from_utf8_lossy(&export.stderr)
    );
    assert_eq!(out.join("bad").read_dir().unwrap().count(), 1);
    assert_eq!(out.join("good").read_dir().unwrap().count(), 0);
    let archive = page.send("GET /api/reviewed.tar", &[cookie], "");
    let name = b"bad/000001-00000003.png";
    assert!(archive.body.windows(name.len()).any(|bytes| bytes == name));
    let support = page.send("GET /api/support.tar", &[cookie], "");
    assert!(
        support
            .body
            .windows(12)
            .any(|bytes| bytes == b"station.toml")
    );

    for _ in 0..5 {
        assert_eq!(page.log_in("anna", "wrong password").0.status, 401);
    }
    let (limited, ..) = page.log_in("anna", "long enough");
    assert!(limited.status == 429 && limited.head.contains("retry-after"));
    assert_eq!(
        page.send("POST /api/logout", &[cookie, token], "").status,
        200
    );
    assert_eq!(mark(&[cookie, token]).status, 401, "the session is over");
    let actions = Command::new(AECSAD)
        .args(["history", "--actions", "--journal"])
        .arg(line.path("journal"))
        .output()
        .unwrap();
    let actions = String::from_utf8(actions.stdout).unwrap();
    assert!(
        actions.contains("anna") && actions.contains("review of part 3 of run 1  none → bad"),
        "{actions}"
    );
    assert_eq!(actions.matches("login refused").count(), 5, "{actions}");
}

#[test]
fn a_flood_of_connections_and_a_huge_request_cost_no_part() {
    let line = Line::with_page(60);
    let _actuator = line.actuator("pulses.csv", &[]);
    let mut page = line.page();
    let flood: Vec<_> = (0..1_000)
        .map_while(|_| TcpStream::connect(page.address).ok())
        .collect();
    let huge = "x".repeat(1 << 20);
    drop(flood);
    until("the page after the flood", || {
        TcpStream::connect(page.address).is_ok() && page.get("/api/session").status == 200
    });
    assert_eq!(page.send("POST /api/login", &[], &huge).status, 413);
    assert_eq!(
        page.send("POST /api/login", &[], "{\"name\": 3}").status,
        422
    );
    let long = "y".repeat(100_000);
    assert_eq!(page.get(&format!("/{long}")).status, 431);
    assert!(page.station.wait().unwrap().success());
    // Every fifth of 60 parts.
    assert_eq!(line.pulsed("pulses.csv").len(), 12);
}

#[test]
fn on_the_network_without_users_only_metrics_are_served() {
    let line = Line::with_page(40);
    line.change("127.0.0.1:0", "0.0.0.0:0");
    let _actuator = line.actuator("pulses.csv", &[]);
    let mut page = line.page();
    page.address.set_ip([127, 0, 0, 1].into());
    assert_eq!(page.get("/metrics").status, 200);
    let first = page.get("/");
    let text = String::from_utf8_lossy(&first.body).into_owned();
    assert!(
        first.status == 403 && text.contains("aecsad users add"),
        "{text}"
    );
    assert_eq!(page.get("/api/state").status, 403);
    line.add_user("anna", &[]);
    assert_eq!(page.get("/").status, 200);
    assert_eq!(page.get("/api/state").status, 401);
}

#[test]
fn json_lines_are_what_the_page_reads() {
    let line = Line::new(6);
    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line.station("run", &["--json"]).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('{'));
    let rows: Vec<Value> = rows.map(|row| serde_json::from_str(row).unwrap()).collect();
    let parts: Vec<_> = rows.iter().filter(|row| row["part"].is_object()).collect();
    assert_eq!(parts.len(), 6, "{text}");
    assert_eq!(parts[2]["part"]["cause"], "bad");
    assert_eq!(parts[2]["part"]["pulse"], "seen");
    assert!(
        rows.iter()
            .any(|row| row["message"]["sentence"].is_string()),
        "{text}"
    );
}

#[test]
fn a_user_or_a_threshold_that_can_t_be_is_refused_in_a_sentence() {
    let line = Line::with_page(0);
    let run = |arguments: &[&str], input: &str| {
        let mut command = Command::new(AECSAD)
            .args(arguments)
            .arg("--config")
            .arg(line.path("station.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut typed = command.stdin.take().unwrap();
        // A command that refuses its arguments reads nothing.
        let _ = typed.write_all(input.as_bytes());
        drop(typed);
        command.wait_with_output().unwrap()
    };
    for (arguments, input, said) in [
        (
            &["users", "add", "a b"][..],
            "long enough\n",
            "can't be used",
        ),
        (&["users", "add", "anna"], "short\n", "at least 10"),
        (&["users", "remove", "bert"], "", "no user bert"),
    ] {
        let text = sentence(&run(arguments, input), 3);
        assert!(text.contains(said), "{text}");
    }
    // The station's bundle is not there.
    let text = sentence(&run(&["threshold"], ""), 4);
    assert!(text.contains("none.aecsad"), "{text}");
    for (arguments, said) in [
        (&["threshold", "--set", "9"][..], "--reason"),
        (&["threshold", "--show", "--undo"], "cannot be used with"),
    ] {
        let (code, text) = printed(&run(arguments, ""));
        assert!(code == 2 && text.contains(said), "{text}");
    }
    line.change("[journal]\npath = \"journal\"", "");
    let text = sentence(&run(&["users", "list"], ""), 5);
    assert!(text.contains("no section `journal`"), "{text}");
}
