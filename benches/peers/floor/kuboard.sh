# On each Kuboard host. Docker is there.
if ! docker image inspect "$image" > /dev/null 2>&1; then
    fetch "$image_url" "$image_sha256" /tmp/kuboard.tar.gz
    docker load -q -i /tmp/kuboard.tar.gz > /dev/null
    rm /tmp/kuboard.tar.gz
fi
changed=
umask 077
put /etc/kuboard.env <<ENV && changed=yes
KUBOARD_ENDPOINT=http://$balancer
KUBOARD_AGENT_SERVER_TCP_PORT=10081
KUBOARD_AGENT_ENDPOINT=$agents
KUBOARD_ETCD_ENDPOINTS=$etcd_endpoints
KUBOARD_QUEST_DB_URI=postgresql://admin:$questdb_password@$questdb:8812/qdb
KUBOARD_SSO_CLIENT_SECRET=$sso_secret
ENV
umask 022
healthy() { curl -sf -m 2 -o /dev/null "http://$self/kuboard-resources/version.json"; }
if [ -n "$changed" ]; then
    docker rm -f kuboard > /dev/null 2>&1 || true
    docker run -d --restart=unless-stopped --name=kuboard -p "$self:80:80/tcp" -p "$self:10081:10081/tcp" \
        --env-file /etc/kuboard.env -v /var/lib/kuboard:/data "$image" > /dev/null
fi
[ "$(docker inspect -f '{{.State.Running}}' kuboard)" = true ] || docker start kuboard > /dev/null
await healthy
