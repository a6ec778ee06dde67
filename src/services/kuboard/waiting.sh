# What the waits for a replica share.
# Bash text: `etcd_reached HOST=ADDRESS=PORT...` and `reaches NAME ADDRESS PORT`; the last line they print says what is not.
# shellcheck disable=SC2016  # bash fills in its own variables
reached='
	reaches() { echo "$1 ($2:$3) is not reachable from here" && opens "$2" "$3"; }
	etcd_reached() {
		local member at
		for member; do
			at=${member#*=}
			reaches "etcd on ${member%%=*}" "${at%=*}" "${at##*=}" || return
		done
	}
'

# waits_for HEARD : fails with its last line, or with what outweighs it.
waits_for() {
	waits_for=$(printf '%s\n' "$1" | tail -n 1)
	[ "$(docker inspect -f '{{.State.Running}}' kuboard 2>/dev/null)" = true ] || waits_for='the container kuboard does not run'
	fail "$waits_for, see: docker logs --tail 50 kuboard"
}

