# Which packet filter is active, and its own words. Reads only; facts/probe/firewall.rs reads it. What is known not to
# run is not asked: both front ends are slow to start.
if command -v firewall-cmd >/dev/null 2>&1 && timeout 4 firewall-cmd --state >/dev/null 2>&1; then
	echo firewalld
	# What no zone has goes through this one, and releases before 2.1.1 do not show that.
	printf 'default %s\n' "$(timeout 4 firewall-cmd --get-default-zone)"
	timeout 8 firewall-cmd --list-all-zones
elif [ -f /etc/ufw/ufw.conf ] && grep -q '^ENABLED=yes' /etc/ufw/ufw.conf && command -v ufw >/dev/null 2>&1; then
	echo ufw
	timeout 8 ufw status verbose
elif command -v nft >/dev/null 2>&1; then
	echo nftables
	# Large rule sets (kube-proxy's) do not filter what comes in.
	timeout 4 nft list ruleset | head -c 200000
else
	echo none
fi
