//! Styles, the same for every client and after a restart.
#![cfg(unix)]

use e2e::daemon::{Daemon, kind};
use serde_json::json;

#[test]
fn kept_for_every_editor_and_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let (mut krita, mut gimp) = (daemon.client(), daemon.client());
    gimp.call("subscribe", json!({"topics": ["styles"]})).unwrap();
    let settings = json!({"steps": 12, "filters": [{"name": "film-grain", "params": {"strength": 0.2}}]});
    krita.call("styles/put", json!({"name": "Old photograph", "settings": settings})).unwrap();
    gimp.expect("styles/changed", |h| h["method"] == "styles/changed");
    assert_eq!(gimp.call("styles/list", json!({})).unwrap(), json!([{"name": "Old photograph", "settings": settings}]));
    let refused = krita.call("styles/put", json!({"name": "a", "settings": {"canvas": 1}})).unwrap_err();
    assert_eq!(kind(&refused), "invalid_params");
    drop((krita, gimp, daemon));
    let daemon = Daemon::start_in(home.path());
    let mut photoshop = daemon.client();
    assert_eq!(photoshop.call("styles/list", json!({})).unwrap()[0]["settings"], settings);
    photoshop.call("styles/remove", json!({"name": "Old photograph"})).unwrap();
    assert_eq!(photoshop.call("styles/list", json!({})).unwrap(), json!([]));
}
