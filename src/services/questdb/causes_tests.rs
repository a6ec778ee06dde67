//! What QuestDB 6.6.1 and its Java printed where they were made to fail.

use super::scene;
use crate::causes::Evidence;
use crate::causes::testing::{ended, printed, whole};
use crate::event::Cause;
use crate::inventory::Inventory;
use crate::status::sample::manual;

fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    whole(super::cause(inventory, evidence))
}

#[test]
fn each_has_its_name() {
    for (log, code) in [
        (
            "Invalid maximum heap size: -Xmx1q\nError: Could not create the Java Virtual Machine.",
            "questdb.heap",
        ),
        (
            "io.questdb.Bootstrap$BootstrapException: java.lang.OutOfMemoryError: Java heap space",
            "questdb.heap",
        ),
        (
            "io.questdb.Bootstrap$BootstrapException: io.questdb.ServerConfigurationException: invalid configuration value [key=http.net.bind.to, value=nonsense]",
            "questdb.setting",
        ),
        // As Java's launcher prints it (8 and 11).
        (
            "Exception in thread \"main\" java.lang.UnsupportedClassVersionError: io/questdb/ServerMain has been compiled by a more recent version of the Java Runtime (class file version 55.0)",
            "questdb.java-too-old",
        ),
    ] {
        let found = cause(&manual(), &ended(scene(&manual()), "exit-code", 55, log)).unwrap();
        assert_eq!((found.code.as_str(), found.lasting), (code, true), "{log}");
    }
    for output in [
        "10.99.37.11:8812 refused the login: invalid username/password",
        "10.99.37.11:8812 ended the connection after the password: it is wrong there",
    ] {
        let found = cause(&manual(), &printed(scene(&manual()), output)).unwrap();
        assert_eq!((found.code.as_str(), found.lasting), ("questdb.password", true));
    }
    let starting = "nothing accepts connections on 10.99.37.11:8812";
    assert_eq!(cause(&manual(), &printed(scene(&manual()), starting)), None);
}
