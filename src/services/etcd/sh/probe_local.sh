# What lies in the data directory, and what runs. Reads only. The last line is `end`: without it nothing counts.
wal=no
for file in "$data_dir"/member/wal/*.wal; do
	if [ -e "$file" ]; then wal=yes; fi
done
if [ -d "$data_dir" ]; then
	ls -A -- "$data_dir" >/dev/null || exit 1
	for entry in "$data_dir"/* "$data_dir"/.[!.]*; do
		name=${entry##*/}
		case $name in
		aside-*) if [ -d "$entry" ]; then printf 'aside %s\n' "$name"; fi ;;
		lost+found) ;;
		*) if [ -e "$entry" ] || [ -L "$entry" ]; then printf 'entry %s\n' "$name"; fi ;;
		esac
	done
fi
printf 'wal %s\n' "$wal"
if grep -qsx 'ETCD_INITIAL_CLUSTER_TOKEN="\{0,1\}kuboard_etcd_cluster_token"\{0,1\}' /etc/etcd.env; then echo token manual; fi
unit='' load='' active='' sub='' pid=0 run=''
# Blocks of several units, one property a line, in no order that could be relied on: what comes before a block's end is its.
while IFS='=' read -r key value; do
	case $key in
	'')
		[ "$unit" != etcd.service ] || break
		load='' active='' sub='' pid=0 run=''
		;;
	Id) unit=$value ;;
	LoadState) load=$value ;;
	ActiveState) active=$value ;;
	SubState) sub=$value ;;
	MainPID) pid=$value ;;
	InvocationID) run=$value ;;
	esac
done <<UNITS
${units:-}

UNITS
if [ "${pid:-0}" != 0 ] && exe=$(readlink "/proc/$pid/exe"); then
	printf 'exe %s\n' "$exe"
	tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null |
		sed -n -e 's/^\(ETCD_INITIAL_CLUSTER_TOKEN=\).*/env \1***/p;t' -e 's/^ETCD_[A-Z0-9_]*=/env &/p'
fi
# The journal of the last run is asked where the process cannot stay up: it says why. Not where it was stopped: what it
# complained of then may be mended.
if [ "$load" = loaded ] && [ "$active/$sub" != active/running ] && [ "$active" != inactive ] && [ -n "$run" ]; then
	timeout 2 journalctl "_SYSTEMD_INVOCATION_ID=$run" -n 200 -o cat --no-pager -q 2>/dev/null | sed -n \
		-e 's/.*tocommit(.*) is out of range.*/complaint amnesiac/p' \
		-e 's/.*has already been bootstrapped.*/complaint already-bootstrapped/p' \
		-e 's/.*cluster ID mismatch.*/complaint cluster-id-mismatch/p' \
		-e 's/.*member count is unequal.*/complaint member-count-unequal/p' \
		-e 's/.*permanently removed from the cluster.*/complaint removed/p' \
		-e 's/.*bind: cannot assign requested address.*/complaint address-not-here/p' \
		-e 's/.*bind: address already in use.*/complaint port-taken/p' \
		-e 's/.*[Pp]ermission denied.*/complaint permission-denied/p' \
		-e 's/.*no space left on device.*/complaint disk-full/p' \
		-e 's/.*crc mismatch.*/complaint corrupt-wal/p' \
		-e 's/.*[Ee]xec format error.*/complaint wrong-architecture/p' | sort -u
fi
echo end
