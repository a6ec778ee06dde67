# $container $since : its state and what it said. An engine that does not run is not asked: any call would start it.
systemctl is-active --quiet docker.service || exit 0
timeout 3 docker inspect --type container --format \
	'state {{.State.Status}} {{.State.ExitCode}} {{.RestartCount}} {{.State.OOMKilled}}' "$container" 2>/dev/null || exit 0
timeout 2 docker inspect --type container --format 'error {{.State.Error}}' "$container" 2>/dev/null | redact
timeout 3 docker logs --since "${since}s" --tail 100 "$container" 2>&1 | cut -c1-4000 | redact | sed 's/^/>/'
