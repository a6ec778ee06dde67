# $address $hex (IPv6 as 32 digits, else empty) $port $health. What takes no time comes first.
if [ -n "$hex" ]; then
	grep -q "^$hex " /proc/net/if_inet6 2>/dev/null && echo 'holds yes' || echo 'holds no'
else
	awk -v address="$address" '
		$1 == "|--" { at = $2 }
		at == address && $1 == "/32" && $3 == "LOCAL" { found = 1 }
		END { print found ? "holds yes" : "holds no" }' /proc/net/fib_trie
fi
http_limit=2
case $(http_get 127.0.0.1 "$health" /live) in
'HTTP/1.'[01]' 200'*) echo 'live yes' ;;
*) echo 'live no' ;;
esac
case $(http_get "$address" "$port" /kuboard-resources/version.json) in
'HTTP/1.'[01]' 200'*) echo 'answers yes' ;;
*) echo 'answers no' ;;
esac
# The request above made the kernel ask who has the address; only a fresh answer counts.
if command -v ip >/dev/null 2>&1; then
	ip neigh show to "$address" 2>/dev/null | awk '/REACHABLE/ {
		for (i = 1; i < NF; i++) if ($i == "lladdr") print "neighbour", $(i + 1) }'
fi
