//! The memory limits of control groups (cgroups), version 2 and 1: which of those that the process is in is the
//! narrowest, and how much is in use there that can't be had back. Files that are cached can be.

use std::fs;
use std::path::{Path, PathBuf};

/// A group with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    limit: u64,
    folder: PathBuf,
    names: &'static Names,
}

/// What files are called.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    /// Where groups are.
    root: &'static str,
    limits: &'static [&'static str],
    used: &'static str,
    /// Lines of `memory.stat` that tell of cached files.
    cached: [&'static str; 2],
}

static SECOND: Names = Names {
    root: "sys/fs/cgroup",
    // Beyond `high` everything slows down.
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    cached: ["active_file", "inactive_file"],
};
static FIRST: Names = Names {
    root: "sys/fs/cgroup/memory",
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    cached: ["total_active_file", "total_inactive_file"],
};

impl Group {
    /// The group with the lowest limit; none if none has one. `root` is the root of the file system.
    pub fn find(root: &Path) -> Option<Self> {
        let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let groups = text.lines().filter_map(named).flat_map(|(names, path)| all(root, names, path));
        groups.min_by_key(|group| group.limit)
    }

    /// In bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in use by all processes of the group, cached files left out.
    pub fn used(&self) -> Option<u64> {
        let used = number(&self.folder.join(self.names.used))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let cached = stat.lines().filter_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            self.names.cached.contains(&name).then(|| bytes.trim().parse::<u64>().ok())?
        });
        Some(used.saturating_sub(cached.fold(0, u64::saturating_add)))
    }
}

/// The version and path that a line of `/proc/self/cgroup` tells: `0::/path`, or `7:memory:/path`.
fn named(line: &str) -> Option<(&'static Names, &str)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if number == "0" && controllers.is_empty() {
        return Some((&SECOND, path));
    }
    controllers.split(',').any(|name| name == "memory").then_some((&FIRST, path))
}

/// The group and those around it that have limits.
fn all(root: &Path, names: &'static Names, path: &str) -> Vec<Group> {
    let top = root.join(names.root);
    // A path with `..` is out of what this process sees; in a container, it may see nothing but its own group.
    let inner = Path::new(path.trim_start_matches('/'));
    let steps = if path.contains("..") { Path::new("") } else { inner };
    let folders = steps.ancestors().map(|step| top.join(step));
    let with_limit = folders.filter_map(|folder| {
        let limits = names.limits.iter().filter_map(|name| number(&folder.join(name)));
        Some(Group { limit: limits.min()?, folder, names })
    });
    with_limit.collect()
}

/// A number in a file; none for `max`.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_narrowest_of_the_groups_counts() {
        let root = tree(&[
            ("proc/self/cgroup", "0::/system.slice/sluice.service\n"),
            ("sys/fs/cgroup/system.slice/sluice.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/sluice.service/memory.high", "5000\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "3000\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "2500\n"),
            ("sys/fs/cgroup/system.slice/memory.stat", "anon 1\nactive_file 200\ninactive_file 300\nshmem 7\n"),
        ]);
        let group = Group::find(root.path()).unwrap();
        assert_eq!((group.limit(), group.used()), (3000, Some(2000)));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let limit = ("sys/fs/cgroup/memory.max", "4000\n");
        for path in ["0::/\n", "0::/../outside\n", "0::/docker/1234\n"] {
            let root = tree(&[("proc/self/cgroup", path), limit, ("sys/fs/cgroup/memory.current", "100\n")]);
            let group = Group::find(root.path()).unwrap();
            assert_eq!((group.limit(), group.used()), (4000, Some(100)), "{path}");
        }
    }

    #[test]
    fn the_first_version_has_other_names() {
        let root = tree(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n0::/b\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "700\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "600\n"),
            ("sys/fs/cgroup/memory/a/memory.stat", "total_inactive_file 50\ninactive_file 9\n"),
        ]);
        let group = Group::find(root.path()).unwrap();
        assert_eq!((group.limit(), group.used()), (700, Some(550)));
    }

    #[test]
    fn there_may_be_no_limit() {
        let root = tree(&[("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "max\n")]);
        assert_eq!(Group::find(root.path()), None);
        assert_eq!(Group::find(Path::new("/nowhere")), None);
    }
}
