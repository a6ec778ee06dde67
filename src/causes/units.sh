# $units $since : each unit's state, what its last start said, and what earlier ones said that long ago. Lines of a unit's
# own begin with '>' (last start) or '<' (earlier ones).
for unit in $units; do
	printf 'unit %s\n' "$unit"
	run=
	while IFS='=' read -r key value; do
		case $key in InvocationID) run=$value ;; *) printf '%s=%s\n' "$key" "$value" ;; esac
	done <<STATE
$(timeout 2 systemctl show -p LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,InvocationID "$unit" 2>/dev/null)
STATE
	if [ -n "$run" ]; then
		timeout 2 journalctl "_SYSTEMD_INVOCATION_ID=$run" + "INVOCATION_ID=$run" -n 300 -o cat --no-pager -q 2>/dev/null |
			cut -c1-4000 | redact | sed 's/^/>/'
	fi
	timeout 2 journalctl -u "$unit" --since "-${since}s" -n 300 -o cat --no-pager -q 2>/dev/null |
		cut -c1-4000 | redact | sed 's/^/</'
done
