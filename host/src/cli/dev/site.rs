//! The configuration of a small gateway around one plugin: as the project's cases have it, at a path for everything,
//! before a server that echoes.

use std::net::SocketAddr;
use std::path::Path;

use sluice::plugin::role::Hooks;
use toml::{Table, Value};

/// The listener's name.
pub const LISTENER: &str = "dev";

/// The configuration as text. `plugin` is what cases say of it (`grants`, `config`, `limits`, …); files that it names
/// are in `base`.
pub fn configuration(
    name: &str,
    plugin: &Table,
    base: &Path,
    hooks: Hooks,
    listen: SocketAddr,
    echo: SocketAddr,
) -> String {
    let mut plugin = plugin.clone();
    plugin.iter_mut().for_each(|(_, value)| find_files(value, base));
    plugin.insert("name".into(), name.into());
    plugin.insert("component".into(), component(name).into());
    let mut own = cluster("echo", echo);
    let mut route = Table::from_iter([("name".to_owned(), Value::from("dev"))]);
    if hooks.has(Hooks::BALANCE) {
        own.insert("balance".into(), Value::Table(Table::from_iter([("plugin".to_owned(), Value::from(name))])));
    }
    if hooks != Hooks::BALANCE {
        route.insert("plugins".into(), vec![name].into());
    }
    if !hooks.has(Hooks::AGGREGATE) {
        route.insert("cluster".into(), "echo".into());
    }
    // Whoever the plugin may ask is the echo too.
    let granted = granted(&plugin).into_iter().filter(|cluster| cluster != "echo");
    let mut clusters = vec![own];
    clusters.extend(granted.map(|name| cluster(&name, echo)));
    let mut listener = Table::new();
    listener.insert("name".into(), LISTENER.into());
    listener.insert("address".into(), listen.to_string().into());
    let document = Table::from_iter([
        ("server".to_owned(), Value::Table(Table::from_iter([("threads".to_owned(), Value::from(1))]))),
        ("listener".to_owned(), vec![listener].into()),
        ("plugin".to_owned(), vec![plugin].into()),
        ("route".to_owned(), vec![route].into()),
        ("cluster".to_owned(), clusters.into()),
    ]);
    document.to_string()
}

/// The file of a plugin in the drop-in directory.
pub fn component(name: &str) -> String {
    format!("{name}.wasm")
}

/// Write a file that is watched: beside, and renamed. Nobody but the owner may write to it.
///
/// # Errors
/// It can't be written.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    std::fs::write(&part, bytes)?;
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o644))?;
    std::fs::rename(&part, path)
}

fn cluster(name: &str, endpoint: SocketAddr) -> Table {
    let endpoints = Value::from(vec![endpoint.to_string()]);
    Table::from_iter([("name".to_owned(), Value::from(name)), ("endpoints".to_owned(), endpoints)])
}

/// Make the paths of `{ file = "…" }` absolute: the configuration is elsewhere.
fn find_files(value: &mut Value, base: &Path) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| find_files(item, base)),
        Value::Table(table) => match table.get("file").and_then(Value::as_str) {
            Some(file) if table.len() == 1 => {
                let file = base.join(file).to_string_lossy().into_owned();
                table.insert("file".into(), file.into());
            }
            _ => table.iter_mut().for_each(|(_, inner)| find_files(inner, base)),
        },
        _ => {}
    }
}

/// The clusters that the plugin may ask.
fn granted(plugin: &Table) -> Vec<String> {
    crate::cli::test::granted_clusters(plugin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hooks: Hooks, plugin: &str) -> sluice::config::model::Config {
        let address = "127.0.0.1:0".parse().unwrap();
        let base = Path::new("/dev/null");
        let echo = "127.0.0.1:9".parse().unwrap();
        let text = configuration("hello", &plugin.parse().unwrap(), base, hooks, address, echo);
        sluice::config::parse(&text, Path::new("/dev/null/sluice.toml")).unwrap_or_else(|p| panic!("{p:#?}\n{text}"))
    }

    #[test]
    fn files_are_found_beside_the_cases() {
        let mut config: Value = toml::from_str("a = [{ b = { file = \"key\" } }]\nc = { file = 1 }").unwrap();
        find_files(&mut config, Path::new("/home/ada/hello"));
        assert_eq!(config["a"][0]["b"]["file"].as_str(), Some("/home/ada/hello/key"));
        assert_eq!(config["c"]["file"].as_integer(), Some(1));
    }

    #[test]
    fn each_role_has_its_place() {
        let filter = check(Hooks::ON_REQUEST, "grants = [\"kv\", { http-client = [\"users\"] }]\nconfig = { a = 1 }");
        assert_eq!(filter.routes[0].plugins, ["hello".into()] as [std::sync::Arc<str>; 1]);
        assert_eq!(filter.clusters.len(), 2);
        let balance = check(Hooks::BALANCE, "");
        assert!(balance.routes[0].plugins.is_empty());
        assert!(
            matches!(&balance.clusters[0].balance, sluice::config::model::Balance::Plugin(name) if &**name == "hello")
        );
        let aggregate = check(Hooks::AGGREGATE, "");
        assert!(matches!(aggregate.routes[0].destination, sluice::config::model::Destination::Chain));
    }
}
