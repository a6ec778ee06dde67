"""The manual as a plain pyinfra deploy of its own operations. Variables: ../../race/site.py writes them.

Operations of machines that share none run side by side, whatever their order here; one that all machines share runs
after what each of them does before it. So the last one waits for every service.
"""

from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import Directory
from pyinfra.facts.server import Command
from pyinfra.operations import files, server, systemd

TEMPLATES = Path(__file__).resolve().parents[1] / "ansible" / "templates"


def await_url(url):
    return f"for i in $(seq 1200); do curl -sf -m 2 -o /dev/null {url} && exit 0; sleep 0.05; done; exit 1"


def template(source, to, mode, **values):
    """Arguments of files.template."""
    values = {**host.data.dict(), **values}
    return {"name": to, "src": str(TEMPLATES / source), "dest": to, "mode": mode, **values}


if "etcd" in host.groups:
    answers = "http://127.0.0.1:2379/health"
    home = f"/opt/etcd-v{host.data.etcd_version}"
    files.download(name="Archive", src=host.data.etcd_url, sha256sum=host.data.etcd_sha256, dest=f"{home}.tar.gz")
    if host.get_fact(Directory, path=home) is None:
        files.directory(name="Directory of the programs", path=home)
        server.shell(name="Programs", commands=[f"tar -xzf {home}.tar.gz -C {home} --strip-components=1"])
    for program in ("etcd", "etcdctl"):
        files.link(name=program, path=f"/usr/local/bin/{program}", target=f"{home}/{program}")
    formed = host.get_fact(Directory, path="/var/lib/etcd/member/wal") is not None
    state = "existing" if formed else "new"
    environment = files.template(**template("etcd.env.j2", "/etc/etcd.env", "640", cluster_state=state))
    unit = files.template(**template("etcd.service.j2", "/etc/systemd/system/etcd.service", "644"))
    systemd.daemon_reload(name="Units are read", _if=unit.did_change)
    healthy = await_url(answers)
    if formed:
        server.shell(
            name="Restarted, one member after the other",
            commands=["systemctl restart etcd", healthy],
            _serial=True,
            _if=environment.did_change,
        )
        systemd.service(name="Started", service="etcd", running=True, enabled=True)
    else:
        server.shell(name="Started, all together", commands=["systemctl start --no-block etcd", healthy])
        systemd.service(name="Started at boot", service="etcd", running=True, enabled=True)
        files.template(**template("etcd.env.j2", "/etc/etcd.env", "640", cluster_state="existing"))

if "questdb" in host.groups:
    home = f"/opt/questdb-{host.data.questdb_version}"
    files.download(name="Archive", src=host.data.questdb_url, sha256sum=host.data.questdb_sha256, dest=f"{home}.tar.gz")
    if host.get_fact(Directory, path=home) is None:
        for directory in (home, "/var/lib/questdb", "/var/lib/questdb/tmp"):
            files.directory(name=directory, path=directory)
        server.shell(name="Program", commands=[f"tar -xzf {home}.tar.gz -C {home} --strip-components=1"])
    environment = files.template(**template("questdb.env.j2", "/etc/questdb.env", "600"))
    unit = files.template(**template("questdb.service.j2", "/etc/systemd/system/questdb.service", "644"))
    systemd.daemon_reload(name="Units are read", _if=unit.did_change)
    systemd.service(name="Started", service="questdb", running=True, enabled=True)
    systemd.service(
        name="Restarted", service="questdb", restarted=True, _if=lambda: environment.did_change() and not unit.did_change()
    )
    answers = "http://127.0.0.1:9003/"

if "kuboard" in host.groups:
    image, address = host.data.image, host.data.address
    files.download(name="Archive", src=host.data.image_url, sha256sum=host.data.image_sha256, dest="/opt/kuboard-image.tar.gz")
    if not host.get_fact(Command, f"docker image inspect -f present {image} 2> /dev/null || true"):
        server.shell(name="Image", commands=["docker load -q -i /opt/kuboard-image.tar.gz"])
    environment = files.template(**template("kuboard.env.j2", "/etc/kuboard.env", "600"))
    run = (
        "docker run -d --restart=unless-stopped --name=kuboard"
        f" -p {address}:80:80/tcp -p {address}:10081:10081/tcp"
        f" --env-file /etc/kuboard.env -v /var/lib/kuboard:/data {image}"
    )
    server.shell(
        name="Container",
        commands=["docker rm -f kuboard > /dev/null 2>&1 || true", run],
        _if=environment.did_change,
    )
    answers = f"http://{address}/kuboard-resources/version.json"

server.shell(name="Answers", commands=[await_url(answers)])
