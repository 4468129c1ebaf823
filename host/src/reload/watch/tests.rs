use std::os::unix::fs::symlink;

use super::*;

/// Long enough for a busy machine; nothing waits so long unless it is broken.
const BROKEN: Duration = Duration::from_secs(20);

/// A watch that depends on notifications alone.
fn watch(watched: Watched) -> Watch {
    let mut watch = Watch::new(watched);
    watch.poll = Duration::from_secs(3600);
    watch.take();
    watch
}

fn files(paths: &[PathBuf]) -> Watched {
    Watched { files: paths.to_vec(), directories: Vec::new() }
}

async fn changed(watch: &mut Watch) {
    let unsettled = tokio::time::timeout(BROKEN, watch.changed()).await.expect("the change wasn't noticed");
    assert_eq!(unsettled, BTreeSet::new());
}

/// Does something while the watch waits.
async fn notices(watch: &mut Watch, act: impl FnOnce()) {
    tokio::join!(changed(watch), async {
        // By now the watch is armed and waits.
        tokio::task::yield_now().await;
        act();
    });
}

#[tokio::test]
async fn a_file_that_is_written_or_replaced_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("sluice.toml");
    fs::write(&file, "one").unwrap();
    let mut watch = watch(files(std::slice::from_ref(&file)));
    notices(&mut watch, || fs::write(&file, "three").unwrap()).await;
    notices(&mut watch, || {
        // As editors do: the old file is set aside, the new one takes its place.
        fs::rename(&file, base.path().join("sluice.toml~")).unwrap();
        fs::write(base.path().join(".swap"), "four").unwrap();
        fs::rename(base.path().join(".swap"), &file).unwrap();
    })
    .await;
    notices(&mut watch, || fs::remove_file(&file).unwrap()).await;
    notices(&mut watch, || fs::write(&file, "five").unwrap()).await;
}

#[tokio::test]
async fn a_new_file_in_a_directory_is_noticed_and_a_hidden_one_is_not() {
    let base = tempfile::tempdir().unwrap();
    let mut watch = watch(Watched { files: Vec::new(), directories: vec![base.path().to_owned()] });
    fs::write(base.path().join(".half"), "x").unwrap();
    fs::create_dir(base.path().join("directory")).unwrap();
    assert_eq!(watch.settle.observe(Instant::now(), &watch.watched.scan()), Verdict::Still);
    notices(&mut watch, || fs::rename(base.path().join(".half"), base.path().join("whole")).unwrap()).await;
}

#[tokio::test]
async fn swapped_links_are_noticed() {
    let base = tempfile::tempdir().unwrap();
    let mount = base.path().join("mount");
    for version in ["..1", "..2"] {
        fs::create_dir_all(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("a.wasm"), version).unwrap();
    }
    symlink("..1", mount.join("..data")).unwrap();
    symlink("..data/a.wasm", mount.join("a.wasm")).unwrap();
    let mut watch = watch(Watched { files: Vec::new(), directories: vec![mount.clone()] });
    notices(&mut watch, || {
        symlink("..2", mount.join("..tmp")).unwrap();
        fs::rename(mount.join("..tmp"), mount.join("..data")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_link_leads_to_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    let (near, far) = (base.path().join("near"), base.path().join("far"));
    fs::create_dir(&near).unwrap();
    fs::create_dir(&far).unwrap();
    fs::write(far.join("real.toml"), "one").unwrap();
    symlink("../far/real.toml", near.join("sluice.toml")).unwrap();
    let mut watch = watch(files(&[near.join("sluice.toml")]));
    notices(&mut watch, || fs::write(far.join("real.toml"), "three").unwrap()).await;
}

#[tokio::test]
async fn a_directory_that_is_deleted_and_made_again_stays_watched() {
    let base = tempfile::tempdir().unwrap();
    let plugins = base.path().join("plugins");
    let mut watch = watch(Watched { files: Vec::new(), directories: vec![plugins.clone()] });
    for _ in 0..3 {
        notices(&mut watch, || {
            fs::create_dir(&plugins).unwrap();
            fs::write(plugins.join("a.wasm"), "one").unwrap();
        })
        .await;
        notices(&mut watch, || fs::write(plugins.join("a.wasm"), "three").unwrap()).await;
        notices(&mut watch, || fs::remove_dir_all(&plugins).unwrap()).await;
    }
}

#[tokio::test]
async fn directories_that_do_not_exist_yet_are_noticed() {
    let base = tempfile::tempdir().unwrap();
    let deep = base.path().join("a/b/c");
    let mut watch = watch(Watched { files: vec![deep.join("f")], directories: Vec::new() });
    notices(&mut watch, || {
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
    })
    .await;
}

#[tokio::test]
async fn reading_wakes_nobody() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("a"), "one").unwrap();
    let mut watch = watch(Watched { files: Vec::new(), directories: vec![base.path().to_owned()] });
    fs::read(base.path().join("a")).unwrap();
    fs::write(base.path().join("b"), "two").unwrap();
    changed(&mut watch).await;
    fs::read(base.path().join("a")).unwrap();
    fs::write(base.path().join("c"), "three").unwrap();
    changed(&mut watch).await;
}

#[test]
fn links_in_a_circle_have_an_end() {
    let base = tempfile::tempdir().unwrap();
    symlink("b", base.path().join("a")).unwrap();
    symlink("a", base.path().join("b")).unwrap();
    assert!(directories(&files(&[base.path().join("a")])).contains(base.path()));
}
