# On the QuestDB host.
home=/opt/questdb-$questdb_version
if [ ! -x "$home/bin/java" ]; then
    fetch "$questdb_url" "$questdb_sha256" /tmp/questdb.tar.gz
    mkdir -p "$home" /var/lib/questdb/tmp
    tar -xzf /tmp/questdb.tar.gz -C "$home" --strip-components=1
    rm /tmp/questdb.tar.gz
fi
changed=
umask 077
put /etc/questdb.env <<ENV && changed=yes
QDB_PG_PASSWORD=$questdb_password
QDB_TELEMETRY_ENABLED=false
ENV
umask 022
put /etc/systemd/system/questdb.service <<UNIT && changed=yes && systemctl daemon-reload
[Unit]
Description=QuestDB
After=network.target

[Service]
EnvironmentFile=/etc/questdb.env
ExecStart=$home/bin/java -Xmx256m -Djava.io.tmpdir=/var/lib/questdb/tmp -m io.questdb/io.questdb.ServerMain -d /var/lib/questdb
Restart=always
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
UNIT
healthy() { curl -sf -m 2 -o /dev/null http://127.0.0.1:9003/; }
if [ -n "$changed" ]; then
    systemctl restart questdb
fi
systemctl is-active -q questdb || systemctl start questdb
systemctl is-enabled -q questdb || systemctl enable -q questdb
await healthy
