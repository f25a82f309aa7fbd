//! Faults of the header in which a load balancer names its client.

/// The signature of version 2, which has an empty line.
pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of a header of version 2 with addresses of IPv4.
const BINARY: usize = 28;

/// The position of the client's address in it.
const SOURCE: usize = 16;

/// Separates the header from the bytes that follow, and changes it according to the fault.
pub(crate) fn split<'a>(fault: &str, bytes: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
    if bytes.starts_with(SIGNATURE) && bytes.len() >= BINARY {
        let (header, rest) = bytes.split_at(BINARY);
        let mut header = header.to_vec();
        if fault == "IP-4:v2" {
            header[SOURCE] = 198;
        }
        return (header, rest);
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) if bytes.starts_with(b"PROXY ") => {
            let (header, rest) = bytes.split_at(end + 1);
            let text = String::from_utf8_lossy(header).into_owned();
            let text = match fault {
                "IP-4:v1" => text.replace("203.0.113.", "198.51.100."),
                _ => text,
            };
            (text.into_bytes(), rest)
        }
        _ => (Vec::new(), bytes),
    }
}
