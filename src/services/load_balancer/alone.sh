# $address $hex: this host has let go of the floating address, which another balancer holds too.
if [ -n "$hex" ]; then
	grep -q "^$hex " /proc/net/if_inet6 2>/dev/null || exit 0
else
	awk -v address="$address" '
		$1 == "|--" { at = $2 }
		at == address && $1 == "/32" && $3 == "LOCAL" { found = 1 }
		END { exit !found }' /proc/net/fib_trie || exit 0
fi
printf 'this host still holds %s beside another; adverts (IP protocol 112) do not reach it\n' "$address"
exit 1
