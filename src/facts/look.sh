# Looks at one host and changes nothing on it. Prints sections: a header `MARK NAME [ARGUMENT]`, then what belongs to it.
# The mark, which is told first, is drawn anew for each look: nothing that a file holds can pass for a header. Read by
# facts/probe. Needs plan/steps.sh before it.
#
# A look is most of what a run costs that changes nothing, and processes are most of what a look costs: one is asked about
# all paths, and what the shell can do by itself it does.

# One question that cannot be answered is no reason not to ask the others.
set +e

read -r mark </proc/sys/kernel/random/uuid
[ "${#mark}" -ge 32 ] || fail 'the kernel draws no random numbers'
printf 'mark %s\n' "$mark"

# Begins a section, and notes when: what a section took ends where the next begins.
section() {
	printf '%s %s\n' "$mark" "$*"
	read -r look_now _ </proc/uptime
	look_parts="${look_parts:+$look_parts $look_now
}$1 $look_now"
}

look_system() {
	section system
	(
		ID='' VERSION_ID='' ID_LIKE=''
		# shellcheck disable=SC1091  # a file of the host
		. /etc/os-release 2>/dev/null
		printf 'os %s\nversion %s\nlike %s\n' "$ID" "$VERSION_ID" "$ID_LIKE"
	)
	read -r kernel </proc/sys/kernel/osrelease
	printf 'machine %s\nkernel %s\n' "$(uname -m)" "$kernel"
	while read -r key value _; do
		[ "$key" != Uid: ] || printf 'uid %s\n' "$value"
	done </proc/self/status
	if [ -d /run/systemd/system ]; then
		version=
		for path in /usr/lib/systemd/libsystemd-shared-* /usr/lib/*/systemd/libsystemd-shared-* \
			/lib/systemd/libsystemd-shared-* /lib/*/systemd/libsystemd-shared-*; do
			if [ -e "$path" ]; then version=${path##*libsystemd-shared-} && break; fi
		done
		[ -n "$version" ] || version=$(systemctl --version 2>/dev/null)
		version=${version#systemd }
		printf 'systemd %s\n' "${version%%[!0-9]*}"
	fi
	read -r _ memory _ </proc/meminfo
	printf 'memory_kib %s\n' "$memory"
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
}

# look_network PORT... : addresses; who listens, and who is connected to the ports, each once, as the kernel writes both: `listen
# ADDRESS:PORT [PID COMMAND]` and `caller PORT ADDRESS`. The kernel takes its time for a table: each is read once.
look_network() {
	section addresses
	ip -o addr show 2>/dev/null
	section sockets
	ports=
	for port in "$@"; do ports="$ports $port"; done
	tables=/proc/net/tcp
	[ ! -e /proc/net/tcp6 ] || tables="$tables /proc/net/tcp6"
	# shellcheck disable=SC2086  # two words
	find /proc/[0-9]*/fd -maxdepth 1 -lname 'socket:*' -printf '%p %l\n' 2>/dev/null |
		awk -v ports="$ports " '
			$1 !~ /^\/proc/ && $4 == "0A" { listens[$10] = $2 }
			$1 !~ /^\/proc/ && $4 == "01" {
				split($2, own, ":")
				split($3, other, ":")
				if (index(ports, " " own[2] " ") && !seen[own[2], other[1]]++) print "caller", own[2], other[1]
			}
			$1 ~ /^\/proc/ {
				inode = substr($2, 9, length($2) - 9)
				if (!(inode in listens)) next
				split($1, path, "/")
				command = ""
				getline command <("/proc/" path[3] "/comm")
				close("/proc/" path[3] "/comm")
				print "listen", listens[inode], path[3], command
				delete listens[inode]
			}
			END { for (inode in listens) print "listen", listens[inode] }' $tables -
}

# look_state : what lies in our folder; keeps the manifest at hand.
look_state() {
	section clusters
	for path in /var/lib/kuboard-ha/*; do
		if [ -e "$path" ]; then printf '%s\n' "${path##*/}"; fi
	done
	section manifest
	manifest=
	if [ -f "$STATE/manifest" ]; then
		manifest="
$(cat "$STATE/manifest")"
		printf '%s\n' "$manifest"
	fi
	section staged
	for path in "$STATE"/stage/*; do
		if [ -e "$path" ]; then printf '%s\n' "${path##*/}"; fi
	done
}

# is_recorded PATH : whether the manifest knows that file as one of ours.
is_recorded() {
	case $manifest in *"
file $1 "*) return 0 ;; *) return 1 ;; esac
}

# look_mounts PATH... : each with itself or its nearest parent that exists, the room there, where it really is, and all
# that is mounted.
look_mounts() {
	section mounts
	nears=
	for path in "$@"; do
		near=$path
		while [ ! -e "$near" ] && [ -n "$near" ]; do near=${near%/*}; done
		printf '%s %s\n' "$path" "${near:-/}"
		nears="$nears ${near:-/}"
	done
	section rooms
	# shellcheck disable=SC2086  # the paths of an inventory hold no spaces
	stat -f -c '%n %a %S %d %c' $nears 2>/dev/null
	section reals
	for near in $nears; do
		if cd -P -- "$near" 2>/dev/null; then pwd -P; else realpath "$near"; fi
	done
	cd /
	section mounted
	findmnt -n -r -o TARGET,FSTYPE,OPTIONS,UUID 2>/dev/null
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
	fi
}

# look_paths PATH... : type, mode, owner, size and change time of those that exist, and where links lead; digests of what is
# a file, and of our secrets.
look_paths() {
	section paths
	paths=$(find / "$@" -maxdepth 0 -printf '%p %y %m %u:%g %s %C@ %l\n' 2>/dev/null)
	# What is not named is not there: a find that cannot say so, like busybox's, must not pass for one that found nothing.
	case $paths in '/ d '*) ;; *)
		echo 'find says nothing of / here: install GNU findutils'
		exit 1
		;;
	esac
	printf '%s\n' "$paths"
	section "sums $CLUSTER $STATE"
	regular='' texts=''
	while read -r path type _ _ size _; do
		[ "$type" = f ] || continue
		regular="$regular $path"
		[ "$size" -gt 65536 ] || texts="$texts $path "
	done <<-PATHS
		$paths
	PATHS
	# shellcheck disable=SC2086  # the paths of ours and of an inventory hold no spaces
	sha256sum $regular "$STATE"/secrets/* 2>/dev/null || true
	section defaults
	for path in $regular; do
		if ! is_recorded "$path" && package_default "$path"; then printf '%s\n' "$path"; fi
	done
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

# is_text PATH : whether it is a file of at most 64 KiB.
is_text() {
	case $texts in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

shown=
# look_text PATH [NAME...] : a small file's text; the value of NAME= is masked.
look_text() {
	is_text "$1" || return 0
	shown="$shown
all $*"
}

# look_clear_text PATH NAME... : the text of a file with secrets in it that we wrote: the values of NAME= and comments. One
# that is kept as a secret here was one when the file was written, whatever the inventory says now.
look_clear_text() {
	is_text "$1" && is_recorded "$1" || return 0
	shown="$shown
only $1"
	shift
	for name in "$@"; do
		[ -e "$STATE/secrets/env.$name" ] || shown="$shown $name"
	done
}

# look_texts : those that were named; one process for all: the shell reads byte by byte.
look_texts() {
	section texts
	printf '%s\n' "$shown" | awk -v mark="$mark" '
		NF {
			split("", named)
			for (i = 3; i <= NF; i++) named[$i] = 1
			print mark, "text", $2
			while ((getline line <$2) > 0) {
				at = index(line, "=")
				name = substr(line, 1, at - 1)
				if ($1 == "all") {
					if (at && name in named) line = name "=***"
				} else if (line != "" && line !~ /^#/ && !(at && name in named)) {
					line = at ? name "=***" : "***"
				}
				print line
			}
			close($2)
		}'
}

# look_directories PATH... : which of them are directories, and whether each holds nothing.
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
		printf '%s %s\n' "$path" "$empty"
	done
}

look_installs() {
	for path in "$@"; do
		[ -d "$path" ] || continue
		section "install $path"
		tree "$path"
	done
}

look_users() {
	section users
	for name in "$@"; do
		# One may come from elsewhere.
		if grep -q "^$name:" /etc/passwd || id -u "$name" >/dev/null 2>&1; then printf '%s\n' "$name"; fi
	done
}

# look_units UNIT... : blocks separated by blank lines, kept in $units; then the stamps of what they were started with.
look_units() {
	section units
	units=$(systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,MainPID,NeedDaemonReload \
		-p FragmentPath,DropInPaths,InvocationID,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic "$@" 2>/dev/null)
	printf '%s\n' "$units"
	section stamps
	for unit in "$@"; do
		stamp="/run/kuboard-ha.stamps/$CLUSTER/$unit"
		if [ -f "$stamp" ] && read -r line <"$stamp"; then printf '%s %s\n' "$unit" "$line"; fi
	done
}

look_sysctls() {
	section sysctls
	settings=
	for name in "$@"; do
		path=/proc/sys rest=$name
		while :; do
			path=$path/${rest%%.*}
			case $rest in *.*) rest=${rest#*.} ;; *) break ;; esac
		done
		settings="$settings $path"
	done
	# shellcheck disable=SC2086  # names of settings hold no spaces
	grep -H '' $settings 2>/dev/null
}

# is_active UNIT : whether it runs. systemd keeps a link for each unit that does; asking it takes 10 ms.
is_active() {
	if [ -d /run/systemd/units ]; then
		[ -L "/run/systemd/units/invocation:$1" ]
	else
		systemctl is-active --quiet "$1"
	fi
}

# look_docker 'CONTAINER...' 'IMAGE...' : never starts the engine: any call through its socket would.
look_docker() {
	command -v docker >/dev/null 2>&1 || {
		echo absent
		return 0
	}
	echo present
	is_active docker.service || return 0
	said=$(ask_docker "$2")
	# The list has an id in place of a name that stands for another image by now; and no list is not an empty one.
	case $said in
	*'"Image":"sha256:'*) call_docker "$1" "$2" ;;
	*"Server: Docker/"*"
["*) printf '%s\n' "$said" ;;
	*) call_docker "$1" "$2" ;;
	esac
}

# ask_docker 'IMAGE...' : what the engine says to curl, each answer followed by `url ADDRESS STATUS`, with 000 where it said
# nothing; all of them take a third of the time of one call of the client. The list of containers has nobody's environment in
# it. Asked for its version, the engine runs programs; it says it in each answer's head.
ask_docker() {
	command -v curl >/dev/null 2>&1 && [ -S /run/docker.sock ] || return 0
	set -- "$1" 'http://docker/containers/json?all=1'
	for name in $1; do set -- "$@" "http://docker/images/$name/json"; done
	shift
	curl -s -g -i -m 4 --noproxy '*' --unix-socket /run/docker.sock -w '\nurl %{url_effective} %{http_code}\n' "$@"
}

# call_docker 'CONTAINER...' 'IMAGE...' : the same from the client, whose calls take a while: side by side.
call_docker() {
	docker_says version --format 'version {{.Server.Version}}' &
	docker_says ps --format 'published {{.Names}} {{.Image}} {{.Ports}}' &
	for name in $2; do
		docker_says image inspect --format "image $name {{.Id}}" "$name" &
	done
	# shellcheck disable=SC2086  # names hold no spaces
	docker_says inspect --type container --format \
		'container {{slice .Name 1}} {{.State.Running}} {{.State.ExitCode}} {{.Config.Image}} {{index .Config.Labels "kuboard-ha.config"}}' \
		$1 &
	wait
}

# docker_says ARGUMENT... : what the client says within 4 s. No answer by then is told: it is not one that there is nothing.
docker_says() {
	timeout 4 docker "$@"
	# busybox gives the status of what it killed.
	case $? in 124 | 137 | 143) echo silent ;; esac
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
		printf '%s probe %s\n' "$mark" "$beside_name"
		trap beside_ends EXIT
		read -r beside_begun _ </proc/uptime
		"$@"
	} >"$looks/$beside_name" 2>/dev/null </dev/null &
}

# beside_ends : notes how long it took, whichever way it ended.
beside_ends() {
	read -r look_now _ </proc/uptime
	printf '%s %s %s\n' "$beside_name" "$beside_begun" "$look_now" >"$looks/took.$beside_name"
}

# ask_all LIMIT NAME HOST PORT PATH BODY NEXT_NAME NEXT ... : begins requests, one after the other in one bash, each with its answer or
# `exit N` in a section `probe NAME`. What does not answer in time leaves nothing, nor does what would have come after it. NEXT is
# bash text that goes on with $answer, into a section of its own; what it leaves running is waited for.
ask_all() {
	beside requests ask_each "$@"
}

ask_each() {
	limit=$1
	shift
	# shellcheck disable=SC2016  # bash fills in its own variables
	mark=$mark looks=$looks timeout "$limit" bash -c "$http_ask"'
		told() { printf "%s probe %s\n" "$mark" "$1" >"$looks/$1"; }
		requests=("$@")
		while [ "$#" -ge 7 ]; do told "$1"; shift 7; done
		set -- "${requests[@]}"
		while [ "$#" -ge 7 ]; do
			read -r begun _ </proc/uptime
			if ask "$2" "$3" "$4" "$5"; then printf "%s" "$answer"; else printf "\nexit %s" "$?"; fi >>"$looks/$1"
			read -r ended _ </proc/uptime
			printf "%s %s %s\n" "$1" "$begun" "$ended" >"$looks/took.$1"
			if [ -n "$6" ]; then
				told "$6"
				eval "$7" >>"$looks/$6"
			fi
			shift 7
		done
		wait' - "$@"
}

# together : waits for all and prints them.
together() {
	section wait
	wait
	printf '%s parts\n%s\n' "$mark" "${look_parts%
*}" >"$looks/took"
	cat "$looks"/*
	section end
}
