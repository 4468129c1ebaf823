//! Includes, values kept in files, and files that can't be read.

use std::fs;

use super::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn relative(paths: &[PathBuf], base: &Path) -> Vec<String> {
    paths.iter().map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect()
}

#[test]
fn includes_are_read_in_the_order_of_their_names() {
    let directory = directory();
    let base = directory.path();
    fs::create_dir(base.join("routes.d")).unwrap();
    let route =
        |name: &str| format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\ncluster = \"users\"\n");
    for (file, name) in [("b.toml", "b"), ("a.toml", "a"), (".hidden.toml", "hidden"), ("c.toml~", "c")] {
        fs::write(base.join("routes.d").join(file), route(name)).unwrap();
    }
    fs::create_dir(base.join("routes.d/directory.toml")).unwrap();
    fs::write(base.join("extra.toml"), route("extra")).unwrap();
    let include = "include = [\"routes.d/*.toml\", \"extra.toml\", \"*.toml\"]\n";
    fs::write(base.join("sluice.toml"), format!("{include}{BASICS}")).unwrap();

    let config = load(&base.join("sluice.toml")).unwrap();
    let names: Vec<&str> = config.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["a", "b", "extra"]);
    assert_eq!(relative(&config.files, base), ["extra.toml", "routes.d/a.toml", "routes.d/b.toml", "sluice.toml"]);
    assert_eq!(relative(&config.include_directories, base), ["routes.d", ""]);
    assert!(config.routes[0].place.ends_with("routes.d/a.toml:1"), "{}", config.routes[0].place);
}

#[test]
fn problems_of_included_files_name_them() {
    let directory = directory();
    let base = directory.path();
    fs::create_dir(base.join("d")).unwrap();
    fs::write(base.join("d/a.toml"), "[server]\nthreads = 1\n[[cluster]]\nname = \"users\"\nendpoints = []\n").unwrap();
    fs::write(base.join("d/b.toml"), "include = []\n[[route]]\nname = \"r\"\nclustr = \"users\"\n").unwrap();
    let text = format!("include = [\"d/*.toml\"]\nadmin = 5\n{BASICS}");
    let only_main =
        "belongs in the main file alone; move it there; included files hold listeners, plugins, routes and clusters";
    assert_refused(
        read_in(base, &text),
        &[
            "sluice.toml:2: admin: expected a table, found an integer; write [admin]",
            &format!("d/a.toml:1: server: {only_main}"),
            "d/a.toml:4: cluster \"users\": name: another cluster has that name, at sluice.toml:8; rename one of the two",
            "d/a.toml:5: cluster \"users\": endpoints: expected at least one endpoint, found none; \
             write endpoints = [\"127.0.0.1:9001\"]",
            &format!("d/b.toml:1: include: {only_main}"),
            "d/b.toml:4: route \"r\": unknown key \"clustr\"; did you mean \"cluster\"? (valid keys: name, listeners, match, \
             plugins, cluster, clusters, redirect, respond, anonymous, fall_through)",
        ],
    );
}

#[test]
fn wrong_includes_are_named() {
    let patterns = "include = [\"missing.toml\",\n\"nowhere/*.toml\",\n\"a/*/b.toml\",\n\"a[bc].toml\",\n5,\n\".\"]\n";
    let expected = "expected a pattern such as \"routes.d/*.toml\", found";
    let special = "only \"*\" is special, and only in the last part";
    assert_refused(
        read(&format!("{patterns}{BASICS}")),
        &[
            "sluice.toml:1: include: the file \"missing.toml\" doesn't exist; correct the name, or create the file",
            "sluice.toml:2: include: the directory of \"nowhere/*.toml\" doesn't exist; \
             create the directory, or remove the pattern",
            &format!("sluice.toml:3: include: {expected} \"a/*/b.toml\"; {special}"),
            &format!("sluice.toml:4: include: {expected} \"a[bc].toml\"; {special}"),
            "sluice.toml:5: include: expected a path, found an integer; put it in quotes",
            "sluice.toml:6: include: the file \".\" isn't a regular file; correct the name, or create the file",
        ],
    );
    assert_refused(
        read(&format!("include = \"a.toml\"\n{BASICS}")),
        &[
            "sluice.toml:1: include: expected an array of patterns, found a string; write include = [\"routes.d/*.toml\"]",
        ],
    );
}

#[test]
fn endpoints_from_a_file() {
    let directory = directory();
    let base = directory.path();
    let config = |contents: &str, more: &str| {
        fs::write(base.join("shop.endpoints"), contents).unwrap();
        let cluster = "[[cluster]]\nname = \"shop\"\ndiscovery = { file = \"shop.endpoints\" }\n";
        read_in(base, &format!("{BASICS}{cluster}{more}"))
    };
    let found = config("# two\n127.0.0.1:1\n\n127.0.0.1:2 weight=5\n", "").unwrap();
    let shop: Vec<(u16, u32)> = found.clusters[1]
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.address.socket().unwrap().port(), endpoint.weight))
        .collect();
    assert_eq!(shop, [(1, 1), (2, 5)]);
    assert_eq!(relative(&found.files, base), ["shop.endpoints", "sluice.toml"], "it is watched");
    let refused = |contents: &str, more: &str, wanted: &str| {
        let problems = config(contents, more).unwrap_err().join("\n");
        assert!(
            problems.starts_with("sluice.toml:10: cluster \"shop\": discovery") && problems.contains(wanted),
            "{problems}"
        );
    };
    refused(
        "127.0.0.1:1\napi:2\n",
        "",
        "line 2 of \"shop.endpoints\": expected an address and a port, found \"api:2\"",
    );
    refused("127.0.0.1:1\n127.0.0.1:1\n", "", "127.0.0.1:1 is there twice");
    refused("# nobody\n", "", "there is no endpoint in \"shop.endpoints\"");
    refused("127.0.0.1:1\n", "endpoints = [\"127.0.0.1:2\"]\n", "written or discovered, not both");
}

#[test]
fn a_secret_in_a_file_loses_one_line_end() {
    let directory = directory();
    let base = directory.path();
    let config = |contents: &[u8]| {
        fs::write(base.join("secret"), contents).unwrap();
        let plugin = "[[plugin]]\nname = \"p\"\ncomponent = \"p.wasm\"\nconfig = { key = { file = \"secret\" } }";
        read_in(base, &format!("{BASICS}{plugin}"))
    };
    let value = |contents: &str| config(contents.as_bytes()).unwrap().plugin[0].config.reveal().to_owned();
    assert_eq!(value("word"), r#"{"key":"word"}"#);
    assert_eq!(value("word\n"), r#"{"key":"word"}"#);
    assert_eq!(value("word\r\n"), r#"{"key":"word"}"#);
    assert_eq!(value("word\n\n"), r#"{"key":"word\n"}"#);
    assert_eq!(relative(&config(b"x").unwrap().files, base), ["secret", "sluice.toml"]);

    let refused = |contents: &[u8], reason: &str| {
        let message = format!(
            "sluice.toml:11: plugin \"p\": config: the file \"secret\" {reason}; \
             relative paths start at the directory of the main configuration file"
        );
        assert_refused(config(contents), &[&message]);
    };
    refused(b"s3cret \xff", "isn't UTF-8 text");
    refused(&vec![b'x'; (1 << 20) + 1], "is larger than 1024 KiB");
}

#[test]
fn what_was_asked_for_is_watched_even_if_it_is_missing() {
    let directory = directory();
    let base = directory.path();
    let path = base.join("sluice.toml");
    let loaded = load_watched(&path);
    assert_eq!(relative(&loaded.files, base), ["sluice.toml"]);
    let problems = loaded.outcome.unwrap_err();
    let expected =
        format!("{}: the configuration file doesn't exist; name a readable file with --config", path.display());
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);

    let plugin = "[[plugin]]\nname = \"p\"\ncomponent = \"p.wasm\"\nconfig = { key = { file = \"secret\" } }";
    fs::write(&path, format!("include = [\"late.toml\", \"*.conf\"]\n{BASICS}{plugin}")).unwrap();
    let loaded = load_watched(&path);
    assert!(loaded.outcome.is_err());
    assert_eq!(relative(&loaded.files, base), ["late.toml", "secret", "sluice.toml"]);
    assert_eq!(relative(&loaded.include_directories, base), [""]);
}

#[test]
fn huge_and_strange_files_are_refused() {
    let directory = directory();
    let path = directory.path().join("sluice.toml");
    let refused = |reason: &str| {
        let problems = load(&path).unwrap_err();
        let expected =
            format!("{}: the configuration file {reason}; name a readable file with --config", path.display());
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    };
    // Sparse: larger than memory, if it were read whole.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    refused("is larger than 4096 KiB");
    fs::write(&path, b"a = \xff").unwrap();
    refused("isn't UTF-8 text");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("isn't a regular file");
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for text in [
        format!("a = {}", "[".repeat(1 << 20)),
        format!("a = {}", "{ a = ".repeat(1 << 18)),
        format!("{}a = 1", "a.".repeat(1 << 20)),
        format!("[{}a]", "a.".repeat(1 << 20)),
    ] {
        assert!(read(&text).unwrap_err().iter().any(|problem| problem.contains("not valid TOML")));
    }
}

#[test]
fn ten_thousand_wrong_routes_are_reported_soon() {
    use std::fmt::Write;
    let mut text = BASICS.to_owned();
    for n in 0..10_000 {
        write!(text, "[[route]]\nname = \"route-{n}\"\nmatch = {{ path = \"/{n}\" }}\ncluster = \"cluster-{n}\"\n")
            .unwrap();
        write!(text, "[[cluster]]\nname = \"clusters-{n}\"\nendpoints = [\"127.0.0.1:1\"]\n").unwrap();
    }
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.len(), 10_000);
    assert!(problems[0].contains("did you mean \"clusters-0\"?"), "{}", problems[0]);
}

#[test]
fn ten_thousand_routes_of_one_path_are_compared_soon() {
    use std::fmt::Write;
    let mut text = BASICS.to_owned();
    for n in 0..10_000 {
        writeln!(
            text,
            "[[route]]\nname = \"route-{n}\"\nmatch = {{ headers = {{ x-tenant = \"{n}\" }} }}\ncluster = \"users\""
        )
        .unwrap();
    }
    assert_eq!(read(&text).unwrap().routes.len(), 10_000);
}
