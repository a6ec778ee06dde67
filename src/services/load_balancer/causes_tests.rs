//! What HAProxy 2.6.12 and Keepalived 2.2.7 printed where they were made to fail, but where it says otherwise.

use super::scene;
use crate::causes::Evidence;
use crate::causes::testing::{ended, whole};
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
            "(/etc/keepalived/keepalived.conf: Line 32) WARNING - interface eth9 for vrrp_instance kuboard doesn't exist\nNon-existent interface specified in configuration",
            "vip.no-interface",
        ),
        (
            "[ALERT]    (3724) : Binding [/etc/haproxy/haproxy.cfg:34] for frontend kuboard: cannot bind socket (Cannot assign requested address) for [10.99.37.20:80]",
            "vip.not-bindable",
        ),
        (
            "[ALERT]    (3724) : Binding [/etc/haproxy/haproxy.cfg:34] for frontend kuboard: cannot bind socket (Permission denied) for [10.99.37.20:80]",
            "selinux.haproxy",
        ),
        // From Keepalived's vrrp.c.
        (
            "(kuboard) ip address associated with VRID 51 not present in MASTER advert : 10.99.37.20",
            "vip.router-id-taken",
        ),
        ("(kuboard) received an invalid passwd!", "vip.router-id-taken"),
        ("duplicate address detected", "vip.taken"),
    ] {
        let found = cause(&manual(), &ended(scene(&manual()), "exit-code", 1, log)).unwrap();
        assert_eq!(found.code, code, "{log}");
        assert!(!found.hint.is_empty());
    }
}
