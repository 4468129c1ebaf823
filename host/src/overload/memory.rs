//! How much memory this process takes, and how much it may: of its control group if that is limited, or of the machine.

use std::io::Read as _;
use std::path::Path;

use super::groups::Group;
use crate::config::model::MemoryLimit;

#[derive(Debug)]
pub(super) struct Memory {
    /// The control group with the lowest limit, of those that the process is in.
    group: Option<Group>,
    /// What the machine has, in bytes.
    machine: u64,
}

impl Memory {
    /// What limits there are now.
    pub fn find() -> Self {
        let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemTotal:")).unwrap_or(u64::MAX);
        // A limit above what there is limits nothing.
        Self { group: Group::find(Path::new("/")).filter(|group| group.limit() <= machine), machine }
    }

    /// Bytes that may be in use.
    pub fn limit(&self, limit: MemoryLimit) -> u64 {
        let whole = self.group.as_ref().map_or(self.machine, Group::limit);
        match limit {
            MemoryLimit::Off => 0,
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Share(percent) => (whole / 100).saturating_mul(u64::from(percent)),
        }
    }

    /// Bytes in use, by all of the group if the limit is the group's.
    pub fn used(&self, limit: MemoryLimit) -> u64 {
        let of_group = match (limit, &self.group) {
            (MemoryLimit::Share(_), Some(group)) => group.used(),
            _ => None,
        };
        of_group.unwrap_or_else(own)
    }
}

/// Bytes that the process has in memory. Asked for so often that nothing is allocated for it.
fn own() -> u64 {
    let mut buffer = [0; 4096];
    let length = std::fs::File::open("/proc/self/status").and_then(|mut file| file.read(&mut buffer));
    let text = length.ok().and_then(|length| str::from_utf8(buffer.get(..length)?).ok());
    text.and_then(|text| kilobytes(text, "VmRSS:")).unwrap_or_default()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The value of a line such as `VmRSS:  1234 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        assert_eq!(kilobytes("VmPeak:\t 9 kB\nVmRSS:\t    12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(kilobytes("VmRSS:\t    12 kB\n", "VmSwap:"), None);
        assert_eq!(kilobytes("VmRSS: x kB\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_some() {
        assert!(own() > 1 << 20);
    }

    #[test]
    fn a_share_is_of_what_there_is() {
        let memory = Memory { group: None, machine: 1000 };
        assert_eq!(memory.limit(MemoryLimit::Share(80)), 800);
        assert_eq!(memory.limit(MemoryLimit::Bytes(5)), 5);
    }
}
