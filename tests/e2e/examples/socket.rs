//! What the local socket and the WebSocket cost a Rust client: 64 MiB to the daemon and back, minimum and median.
//!
//! `cargo run -p e2e --example socket` after `cargo build -p underpaint`; `tests/bench/socket_cost.py` measures the same from Python.

#[cfg(unix)]
fn main() {
    use e2e::daemon::{Client, Daemon};
    use serde_json::{Value, json};
    use std::time::Instant;

    const ROUNDS: usize = 15;

    /// Reads chunks into place until the response; gives the bytes read.
    fn receive(client: &mut Client, id: u64, into: &mut [u8]) -> usize {
        let mut at = 0;
        loop {
            let mut prefix = [0; 8];
            client.stream.read_exact(&mut prefix).expect("a frame");
            let [total, hlen] =
                [0, 4].map(|i| u32::from_le_bytes(prefix[i..i + 4].try_into().expect("4 bytes")) as usize);
            let mut header = vec![0; hlen];
            client.stream.read_exact(&mut header).expect("a header");
            let tail = total - 4 - hlen;
            client.stream.read_exact(&mut into[at..at + tail]).expect("a chunk");
            at += tail;
            let header: Value = serde_json::from_slice(&header).expect("JSON");
            if header["id"] == id {
                return at;
            }
        }
    }

    let daemon = Daemon::start();
    let data: Vec<u8> = (0..64u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut back = vec![0; data.len()];
    for (transport, mut client) in [("local socket", daemon.client()), ("WebSocket", daemon.web_client())] {
        let (mut up, mut both) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            client.put("c1", &data);
            client.call("ping", json!({})).expect("an answer");
            up.push(start.elapsed());
            let id = client.request("blob/get", json!({"blob": "c1"}));
            assert_eq!(receive(&mut client, id, &mut back), data.len());
            both.push(start.elapsed());
        }
        assert!(back == data);
        for (name, mut times) in [("64 MiB to the daemon", up), ("64 MiB to the daemon and back", both)] {
            times.sort();
            println!("{transport:12} {name:30} min {:>8.1?} median {:>8.1?}", times[0], times[ROUNDS / 2]);
        }
    }
}

#[cfg(not(unix))]
fn main() {
    println!("skipped: this measurement knows Unix sockets only");
}
