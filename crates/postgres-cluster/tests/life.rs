//! A cluster's life: made, stopped, started again, crashed, found with a stale `postmaster.pid`.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use postgres_cluster::{TemporaryCluster, find};

fn cluster() -> TemporaryCluster {
    TemporaryCluster::start(&find(), &[]).unwrap()
}

fn count(cluster: &TemporaryCluster) -> String {
    cluster.running().unwrap().run("postgres", "SELECT count(*) FROM kept").unwrap()
}

fn fill(cluster: &TemporaryCluster) {
    let statements = "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1), (2);";
    cluster.running().unwrap().run("postgres", statements).unwrap();
}

#[test]
fn data_survives_a_restart_and_a_crash() {
    let mut cluster = cluster();
    fill(&cluster);
    cluster.restart().unwrap();
    assert_eq!(count(&cluster), "2");

    let pid = cluster.running().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    cluster.restart().unwrap();
    assert_eq!(count(&cluster), "2");
}

#[test]
fn a_stale_pid_file_that_names_a_living_process_is_no_obstacle() {
    let mut cluster = cluster();
    fill(&cluster);
    cluster.stop().unwrap();
    let stale = format!("{}\n", std::process::id());
    std::fs::write(cluster.folder().join("data/postmaster.pid"), stale).unwrap();
    cluster.restart().unwrap();
    assert_eq!(count(&cluster), "2");
}

#[test]
fn nothing_is_left_behind() {
    let cluster = cluster();
    let folder = cluster.folder().to_owned();
    let data = folder.join("data");
    let pid = cluster.running().unwrap().id().to_string();
    assert!(data.exists());
    drop(cluster);
    assert!(!folder.exists());
    assert!(!Command::new("kill").args(["-0", &pid]).status().unwrap().success());
}

#[test]
fn only_the_owner_reads_the_files_and_only_the_password_opens_the_server() {
    use std::os::unix::fs::PermissionsExt;
    let cluster = cluster();
    let mode = |name| std::fs::metadata(cluster.folder().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("password"), 0o600);
    let wrong = cluster.running().unwrap().url("postgres", "wrong", "postgres");
    let refused = postgres_cluster::find_psql().unwrap().run(&wrong, "SELECT 1").unwrap_err();
    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
}
