# $address $hex (IPv6 as 32 digits, else empty) $port $health $own (this host's address) $known (those of the balancers)
# $conf (Keepalived's). What takes no time comes first.

# Adverts of others: IP protocol 112, to this host or to all (224.0.0.18). Both texts print `advert FROM ID ADDRESS...`
# until they are stopped; a host has python3 or perl, for apt or dnf need one.
# shellcheck disable=SC2016  # their own variables
listen_perl='use Socket; $| = 1;
	socket(S, PF_INET, SOCK_RAW, 112) or exit 1;
	setsockopt(S, 0, 35, inet_aton("224.0.0.18") . inet_aton($ARGV[0]));
	while (defined($from = recv(S, $p, 2048, 0))) {
		$v = substr($p, (ord($p) & 15) * 4);
		next if length($v) < 8 or ord($v) % 16 != 1;
		$n = ord(substr($v, 3, 1));
		@ips = map { inet_ntoa(substr($v, 8 + 4 * $_, 4)) } grep { length($v) >= 12 + 4 * $_ } 0 .. $n - 1;
		print join(" ", "advert", inet_ntoa((sockaddr_in($from))[1]), ord(substr($v, 1, 1)), @ips), "\n";
	}'
listen_python='
import socket as s, sys
r = s.socket(s.AF_INET, s.SOCK_RAW, 112)
r.setsockopt(s.IPPROTO_IP, s.IP_ADD_MEMBERSHIP, s.inet_aton("224.0.0.18") + s.inet_aton(sys.argv[1]))
while True:
    p, sender = r.recvfrom(2048)
    v = p[(p[0] & 15) * 4:]
    if len(v) < 8 or v[0] % 16 != 1:
        continue
    ips = [s.inet_ntoa(v[8 + 4 * n:12 + 4 * n]) for n in range(v[3]) if len(v) >= 12 + 4 * n]
    print("advert", sender[0], v[1], *ips, flush=True)
'
listen() {
	code=0
	if command -v perl >/dev/null 2>&1; then
		timeout 1.5 perl -e "$listen_perl" "$own" || code=$?
	else
		python=$(command -v python3 || echo /usr/libexec/platform-python)
		timeout 1.5 "$python" -c "$listen_python" "$own" || code=$?
	fi
	[ "$code" -ne 124 ] || echo 'listened yes'
}
if [ -z "$hex" ] && [ -z "$(recorded "file $conf")" ]; then listen & fi

# Peers that the inventory no longer names; connections to a dead machine hang.
peer() {
	code=0
	# shellcheck disable=SC2016  # bash fills in its own arguments
	said=$(timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/22"' - "$1" 2>&1) || code=$?
	case $code/$said in 0/* | *refused*) echo "peer $1 yes" ;; *) echo "peer $1 no" ;; esac
}
if [ -n "$(recorded "file $conf")" ]; then
	for at in $(awk '/unicast_peer/ { list = 1; next } /}/ { list = 0 } list { print $1 }' "$conf" 2>/dev/null); do
		case " $known " in *" $at "*) ;; *) peer "$at" & ;; esac
	done
fi

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
wait
