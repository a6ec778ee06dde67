# The commands of Kuboard's manual, up to `systemctl start etcd`; the archive comes from the lab's mirror.
set -e
cd ~
arch=$(dpkg --print-architecture)
curl -fsSOL "http://10.99.31.2/etcd-v3.5.6-linux-$arch.tar.gz"
tar -xf "etcd-v3.5.6-linux-$arch.tar.gz"
cd "etcd-v3.5.6-linux-$arch"
cp etcdctl /usr/local/bin/
cp etcd /usr/local/bin/
cat << EOF > /etc/systemd/system/etcd.service
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

[Install]
WantedBy=multi-user.target
EOF
this_ip=$(hostname -i)
cat << EOF > /etc/etcd.env
# Environment file for etcd v3.5.6
ETCD_DATA_DIR=/var/lib/etcd
ETCD_ADVERTISE_CLIENT_URLS=http://${this_ip}:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://${this_ip}:2380
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_METRICS=basic
ETCD_LISTEN_CLIENT_URLS=http://${this_ip}:2379,http://127.0.0.1:2379
ETCD_ELECTION_TIMEOUT=5000
ETCD_HEARTBEAT_INTERVAL=250
ETCD_INITIAL_CLUSTER_TOKEN=kuboard_etcd_cluster_token
ETCD_LISTEN_PEER_URLS=http://${this_ip}:2380
ETCD_NAME=$(hostname)
ETCD_PROXY=off
ETCD_INITIAL_CLUSTER=node-1=http://10.99.31.11:2380,node-2=http://10.99.31.12:2380,node-3=http://10.99.31.13:2380
ETCD_AUTO_COMPACTION_RETENTION=8
ETCD_SNAPSHOT_COUNT=10000

# CLI settings
ETCDCTL_ENDPOINTS=http://127.0.0.1:2379

# ETCD 3.5.x issue
# https://groups.google.com/a/kubernetes.io/g/dev/c/B7gJs88XtQc/m/rSgNOzV2BwAJ?utm_medium=email&utm_source=footer
ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=True
EOF
systemctl daemon-reload
systemctl start etcd
