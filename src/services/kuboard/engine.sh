# Exits 0 while a new enough engine runs and has no container of that name. Given: container.
engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || fail 'Docker does not answer'
set -- $(printf '%s' "${engine%%[!0-9.]*}" | tr . ' ')
[ "$(($1 * 1000000 + ${2:-0} * 1000 + ${3:-0}))" -ge 20010010 ] || fail "Docker $engine is older than 20.10.10"
[ -z "$(docker ps -aq --filter "name=^/$container\$")" ] || fail "there is a container named $container"
