//! Who listens on a port, as far as Linux tells.

use std::fs;

/// The program and process that listen on `port`, for a message.
pub(crate) fn holder(port: u16) -> String {
    socket(port)
        .and_then(|inode| owner(&inode))
        .map_or_else(|| "another program".to_owned(), |(pid, name)| format!("{name} (process {pid})"))
}

/// The inode of the listening socket, from the kernel's table.
fn socket(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening(line, port))
    })
}

/// Fields: number, local address, remote address, state (0A is LISTEN), …, and tenth the inode.
fn listening(line: &str, port: u16) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let local = fields.get(1)?.rsplit_once(':')?.1;
    let matches = local == format!("{port:04X}") && *fields.get(3)? == "0A";
    matches.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}

fn owner(inode: &str) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let holds = files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str());
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        holds.then(|| (pid, name.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_line_is_recognised() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(listening(line, 8080).as_deref(), Some("4711"));
        assert_eq!(listening(line, 8081), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8080), None);
    }
}
