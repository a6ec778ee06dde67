# On each etcd host. $self is its address, $name its name; the rest comes from site.sh.
home=/opt/etcd-v$etcd_version
if [ ! -x "$home/etcd" ]; then
    fetch "$etcd_url" "$etcd_sha256" /tmp/etcd.tar.gz
    mkdir -p "$home"
    tar -xzf /tmp/etcd.tar.gz -C "$home" --strip-components=1
    ln -sf "$home/etcd" "$home/etcdctl" /usr/local/bin/
    rm /tmp/etcd.tar.gz
fi
state=new
if [ -d /var/lib/etcd/member/wal ]; then state=existing; fi

environment() {
    cat <<ENV
ETCD_DATA_DIR=/var/lib/etcd
ETCD_NAME=$name
ETCD_ADVERTISE_CLIENT_URLS=http://$self:2379
ETCD_LISTEN_CLIENT_URLS=http://$self:2379,http://127.0.0.1:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://$self:2380
ETCD_LISTEN_PEER_URLS=http://$self:2380
ETCD_INITIAL_CLUSTER=$etcd_cluster
ETCD_INITIAL_CLUSTER_TOKEN=$etcd_token
ETCD_INITIAL_CLUSTER_STATE=$1
ETCD_METRICS=basic
ETCD_ELECTION_TIMEOUT=5000
ETCD_HEARTBEAT_INTERVAL=250
ETCD_AUTO_COMPACTION_RETENTION=8
ETCD_SNAPSHOT_COUNT=$etcd_snapshot_count
ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=True
ENV
}
healthy() { curl -sf -m 2 http://127.0.0.1:2379/health | grep -q true; }

put /etc/systemd/system/etcd.service <<'UNIT' && systemctl daemon-reload || true
[Unit]
Description=etcd
After=network.target

[Service]
Type=notify
User=root
EnvironmentFile=/etc/etcd.env
ExecStart=/usr/local/bin/etcd
NotifyAccess=all
Restart=always
RestartSec=10s
LimitNOFILE=40000
TimeoutStartSec=0

[Install]
WantedBy=multi-user.target
UNIT
if environment "$state" | put /etc/etcd.env && [ "$state" = existing ]; then
    systemctl restart etcd
fi
systemctl is-active -q etcd || systemctl start --no-block etcd
await healthy
if [ "$state" = new ]; then
    environment existing | put /etc/etcd.env
fi
systemctl is-enabled -q etcd || systemctl enable -q etcd
