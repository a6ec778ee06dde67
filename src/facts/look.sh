# Looks at one host and changes nothing on it. Prints sections: a header `= NAME [ARGUMENT]`, then lines that begin with
# a space, so nothing that a file holds can pass for a header. Read by facts/probe. Needs plan/steps.sh before it.

# Begins a section, and notes when: what a section took ends where the next begins.
section() {
	printf '= %s\n' "$*"
	read -r look_now _ </proc/uptime
	look_parts="${look_parts:+$look_parts $look_now
}$1 $look_now"
}
body() { sed 's/^/ /'; }

look_system() {
	section system
	{
		(
			ID='' VERSION_ID='' ID_LIKE=''
			# shellcheck disable=SC1091  # a file of the host
			. /etc/os-release 2>/dev/null
			printf 'os %s\nversion %s\nlike %s\n' "$ID" "$VERSION_ID" "$ID_LIKE"
		)
		printf 'machine %s\nkernel %s\nuid %s\n' "$(uname -m)" "$(uname -r)" "$(id -u)"
		[ ! -d /run/systemd/system ] || systemctl --version 2>/dev/null | sed -n 's/^systemd \([0-9]*\).*/systemd \1/p'
		sed -n 's/^MemTotal: *\([0-9]*\) kB.*/memory_kib \1/p' /proc/meminfo
		for manager in apt-get dnf yum zypper; do
			if command -v "$manager" >/dev/null 2>&1; then
				printf 'manager %s\n' "$manager"
				break
			fi
		done
		if command -v getenforce >/dev/null 2>&1; then printf 'selinux %s\n' "$(getenforce)"; fi
		for tool in bash tar gzip sha256sum timeout flock curl ip ss iptables python3 findmnt; do
			if command -v "$tool" >/dev/null 2>&1; then printf 'tool %s\n' "$tool"; fi
		done
		printf 'clock %s\n' "$(date +%s)"
		read -r up _ </proc/uptime
		printf 'uptime %s\n' "$up"
	} | body
}

look_network() {
	section addresses
	ip -o addr show 2>/dev/null | body
	section listeners
	ss -Hltnp 2>/dev/null | body
}

# look_callers PORT... : who is connected to it, each once.
look_callers() {
	section callers
	for port in "$@"; do
		ss -Htn state established "( sport = :$port )" 2>/dev/null | awk -v port="$port" '
			{ sub(/:[0-9]+$/, "", $4); if (!seen[$4]++) print port, $4 }'
	done | body
}

look_state() {
	section clusters
	ls /var/lib/kuboard-ha 2>/dev/null | body
	section manifest
	cat "$STATE/manifest" 2>/dev/null | body
	section staged
	ls "$STATE/stage" 2>/dev/null | body
	section secrets
	for path in "$STATE"/secrets/*; do
		[ -f "$path" ] || continue
		printf '%s %s\n' "${path##*/}" "$(fingerprint "${path##*/}")"
	done | body
}

# look_mounts PATH... : the file system of each, or of its nearest parent that exists.
look_mounts() {
	section mounts
	for path in "$@"; do
		near=$path
		while [ ! -e "$near" ] && [ "$near" != / ]; do near=$(dirname "$near"); done
		printf '%s %s ' "$path" "$(stat -f -c '%a %S %d %c' "$near" 2>/dev/null || echo '0 0 0 0')"
		findmnt -n -r -o TARGET,FSTYPE,OPTIONS,UUID -T "$near" 2>/dev/null | tail -n 1 || echo
	done | body
}

# look_packages NAME... : by their Debian names.
look_packages() {
	section packages
	if command -v dpkg-query >/dev/null 2>&1; then
		dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n' "$@" 2>/dev/null
	elif command -v rpm >/dev/null 2>&1; then
		for name in "$@"; do
			for candidate in $(package_names "$name"); do
				rpm -q --qf "$name %{VERSION} installed\\n" "$candidate" 2>/dev/null && break
			done
		done
	fi | body
}

# look_files PATH... : mode, owner, size, change time and digest of those that exist; links are not followed.
look_files() {
	section files
	for path in "$@"; do
		if [ -L "$path" ]; then
			printf '%s link %s\n' "$path" "$(readlink "$path")"
		elif [ -f "$path" ]; then
			sum=$(sha256sum <"$path" 2>/dev/null) || sum=unreadable
			printf '%s file %s %s\n' "$path" "$(stat -c '%a %U:%G %s %Z' "$path")" "${sum%% *}"
			[ -n "$(recorded "file $path")" ] || { package_default "$path" && printf '%s default\n' "$path"; }
		elif [ -e "$path" ]; then
			printf '%s other\n' "$path"
		fi
	done | body
}

# package_default PATH : whether it is a package's own configuration file, unmodified.
package_default() {
	if command -v dpkg-query >/dev/null 2>&1; then
		owner=$(dpkg-query -S "$1" 2>/dev/null | head -n 1) || return 1
		[ -n "$owner" ] || return 1
		sum=$(md5sum <"$1")
		dpkg-query -W -f='${Conffiles}\n' "${owner%%:*}" 2>/dev/null | grep -qF " $1 ${sum%% *}"
	elif command -v rpm >/dev/null 2>&1; then
		rpm -qf "$1" >/dev/null 2>&1 && ! rpm -Vf "$1" 2>/dev/null | grep -q "^..5.* $1\$"
	else
		return 1
	fi
}

# look_text PATH [NAME...] : a small file's text; the value of NAME= is masked.
look_text() {
	path=$1
	shift
	[ -f "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %s "$path")" -le 65536 ] || return 0
	section "text $path"
	mask=
	for name in "$@"; do mask="$mask;s/^\\($name=\\).*/\\1***/"; done
	sed "${mask#;}" "$path" | body
}

# look_clear_text PATH NAME... : the text of a file with secrets in it that we wrote: the values of NAME= and comments. One
# that is kept as a secret here was one when the file was written, whatever the inventory says now.
look_clear_text() {
	path=$1
	shift
	[ -n "$(recorded "file $path")" ] && [ -f "$path" ] && [ ! -L "$path" ] && [ "$(stat -c %s "$path")" -le 65536 ] || return 0
	section "text $path"
	clear='/^#/b;/^$/b'
	for name in "$@"; do
		[ -e "$STATE/secrets/env.$name" ] || clear="$clear;/^$name=/b"
	done
	printf '%s\n' "$clear" 's/=.*/=***/;t' 's/.*/***/' | tr ';' '\n' | sed -f - "$path" | body
}

look_links() {
	section links
	for path in "$@"; do
		if [ -L "$path" ]; then printf '%s %s\n' "$path" "$(readlink "$path")"; fi
	done | body
}

look_directories() {
	section directories
	for path in "$@"; do
		[ -d "$path" ] || continue
		empty=yes
		for entry in "$path"/* "$path"/.[!.]*; do
			case $entry in
			"$path"/aside-* | "$path"/lost+found) ;;
			*) if [ -e "$entry" ]; then empty=no && break; fi ;;
			esac
		done
		printf '%s %s %s\n' "$path" "$(stat -c '%a %U:%G' "$path")" "$empty"
	done | body
}

look_installs() {
	section installs
	for path in "$@"; do
		if [ -d "$path" ]; then printf '%s %s\n' "$path" "$(tree_stamp "$path")"; fi
	done | body
}

look_users() {
	section users
	for name in "$@"; do
		if id -u "$name" >/dev/null 2>&1; then printf '%s\n' "$name"; fi
	done | body
}

# look_units UNIT... : blocks separated by blank lines; then the stamps of what they were started with.
look_units() {
	section units
	systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,MainPID,NeedDaemonReload \
		-p FragmentPath,InvocationID,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic "$@" 2>/dev/null | body
	section stamps
	for unit in "$@"; do
		if [ -f "/run/kuboard-ha.stamps/$CLUSTER/$unit" ]; then
			printf '%s %s\n' "$unit" "$(cat "/run/kuboard-ha.stamps/$CLUSTER/$unit")"
		fi
	done | body
}

look_sysctls() {
	section sysctls
	for name in "$@"; do
		value=$(cat "/proc/sys/$(printf '%s' "$name" | tr . /)" 2>/dev/null) && printf '%s %s\n' "$name" "$value"
	done | body
}

# look_docker 'CONTAINER...' 'IMAGE...' : never starts the engine: any call through its socket would.
look_docker() {
	command -v docker >/dev/null 2>&1 || {
		echo absent
		return 0
	}
	echo present
	systemctl is-active --quiet docker.service || return 0
	printf 'version %s\n' "$(timeout 4 docker version --format '{{.Server.Version}}' 2>/dev/null)"
	timeout 4 docker ps --format 'published {{.Names}} {{.Image}} {{.Ports}}' 2>/dev/null
	for name in $2; do
		id=$(timeout 4 docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) && printf 'image %s %s\n' "$name" "$id"
	done
	for name in $1; do
		timeout 4 docker inspect --type container --format \
			"container $name {{.State.Running}} {{.State.ExitCode}} {{.RestartCount}} {{.Config.Image}} {{index .Config.Labels \"kuboard-ha.config\"}}" \
			"$name" 2>/dev/null
	done
}

# ---- probes that take time run side by side; each bounds its own waiting

looks=$(mktemp -d /run/kuboard-ha-look.XXXXXX) || fail 'no room in /run'
trap 'rm -rf "$looks"' EXIT
trap 'exit 1' TERM HUP INT

# beside NAME FUNCTION [ARGUMENT...] : begins one.
beside() {
	beside_name=$1
	shift
	{
		trap beside_ends EXIT
		read -r beside_begun _ </proc/uptime
		"$@"
	} >"$looks/$beside_name" 2>/dev/null </dev/null &
}

# beside_ends : notes how long it took, whichever way it ended.
beside_ends() {
	read -r look_now _ </proc/uptime
	printf '%s %s %s\n' "$beside_name" "$beside_begun" "$look_now" >"$looks/.took.$beside_name"
}

# together : waits for all and prints them.
together() {
	section wait
	wait
	for path in "$looks"/*; do
		[ -f "$path" ] || continue
		printf '= probe %s\n' "${path##*/}"
		body <"$path"
	done
	section parts
	printf '%s\n' "${look_parts%
*}" | cat - "$looks"/.took.* 2>/dev/null | body
	section end
}
