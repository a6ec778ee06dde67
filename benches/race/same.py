"""That each contestant built the same thing: asked of the services themselves."""

import json
import urllib.request

import psycopg

from . import lab, site


def stands(machines, password):
    """Fails unless every member is healthy and flipped, QuestDB takes the password, each replica answers."""
    for name in machines.groups["etcd"]:
        address = machines.hosts[name]
        health = json.loads(get(f"http://{address}:2379/health"))
        expect(health["health"] == "true", f"{name} is not healthy: {health}")
        environment = lab.on(name, "cat /etc/etcd.env")
        expect("ETCD_INITIAL_CLUSTER_STATE=existing" in environment.replace('"', ""), f"{name} is not flipped")
        wanted = f"ETCD_SNAPSHOT_COUNT={machines.snapshot_count}"
        process = lab.on(name, "tr '\\0' '\\n' < /proc/$(pidof etcd)/environ")
        expect(wanted in process.replace('"', ""), f"{name} does not run with {wanted}")
    (questdb,) = machines.addresses("questdb")
    with psycopg.connect(host=questdb, port=8812, user="admin", password=password, dbname="qdb") as session:
        session.execute("select 1")
    for address in machines.addresses("kuboard"):
        get(f"http://{address}/kuboard-resources/version.json")


def password_of(contestant, machines):
    """QuestDB's: the site's for the peers; kuboard-ha drew its own and keeps it where root can read it."""
    if contestant.name != "kuboard-ha":
        return site.PASSWORD
    (host,) = machines.groups["questdb"]
    return lab.on(host, "cat /var/lib/kuboard-ha/kuboard/secrets/questdb-password").strip()


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def expect(condition, what):
    if not condition:
        raise RuntimeError(what)
