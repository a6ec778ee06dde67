# What steps, probes and guards are made of. POSIX sh (dash, bash, busybox); TCP goes through bash's /dev/tcp.
# Given: STATE (/var/lib/kuboard-ha/CLUSTER), CLUSTER, RUN, WORK (a root-only folder in /run, gone with the shell).
umask 077
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# fail MESSAGE... : says why on stderr and ends the step.
fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

# ---- the manifest: lines of "KIND NAME VALUE", each pair of kind and name once

# record 'KIND NAME' VALUE : sets an entry; on disk before it returns.
record() { record_with '' "$@"; }

# record_with FILE 'KIND NAME' VALUE : the same, with that file on disk as well before the entry is there.
record_with() {
	record_other=$1
	shift
	[ -d "$STATE" ] || mkdir -p "$STATE"
	{
		if [ -f "$STATE/manifest" ]; then
			while IFS= read -r record_line; do
				case $record_line in "$1 "*) ;; *) printf '%s\n' "$record_line" ;; esac
			done <"$STATE/manifest"
		fi
		printf '%s %s\n' "$1" "$2"
	} >"$STATE/manifest.new"
	sync "$STATE/manifest.new" ${record_other:+"$record_other"} 2>/dev/null || sync
	mv -f "$STATE/manifest.new" "$STATE/manifest"
}

# forget 'KIND NAME' : drops an entry.
forget() {
	[ -f "$STATE/manifest" ] || return 0
	while IFS= read -r record_line; do
		case $record_line in "$1 "*) ;; *) printf '%s\n' "$record_line" ;; esac
	done <"$STATE/manifest" >"$STATE/manifest.new"
	sync "$STATE/manifest.new" 2>/dev/null || sync
	mv -f "$STATE/manifest.new" "$STATE/manifest"
}

# recorded 'KIND NAME' : prints an entry's value, nothing where there is none.
recorded() {
	[ -f "$STATE/manifest" ] || return 0
	while IFS= read -r record_line; do
		case $record_line in "$1 "*) printf '%s\n' "${record_line#"$1 "}" ;; esac
	done <"$STATE/manifest"
}

# ---- secrets: $STATE/secrets/ID, 0600, no newline at the end

secret_raw() { cat "$STATE/secrets/$1"; }

# secret_url ID : percent-encoded but for letters, digits and ._~-
secret_url() {
	od -An -v -tx1 "$STATE/secrets/$1" | tr -s ' ' '\n' | while read -r byte; do
		case $byte in
		'') ;;
		2d | 2e | 5f | 7e | 3[0-9] | 4[1-9a-f] | 5[0-9a] | 6[1-9a-f] | 7[0-9a])
			# shellcheck disable=SC2059  # the format is the byte itself
			printf "\\$(printf '%03o' "0x$byte")" ;;
		*) printf '%%%s' "$byte" ;;
		esac
	done
}

# secret_systemd_env ID : between double quotes, as systemd's EnvironmentFile= unquotes it.
secret_systemd_env() {
	printf '"'
	sed 's/[\\"`$]/\\&/g' "$STATE/secrets/$1"
	printf '"'
}

# fingerprint ID : tells values apart without showing them.
fingerprint() {
	fingerprint_sum=$(sha256sum <"$STATE/secrets/$1")
	fingerprint_sum=$(printf 'kuboard-ha %s %s %s' "$CLUSTER" "$1" "${fingerprint_sum%% *}" | sha256sum)
	printf '%.16s\n' "$fingerprint_sum"
}

# secret_mint ID LENGTH : draws letters and digits.
secret_mint() {
	mkdir -p "$STATE/secrets"
	tr -dc 'A-Za-z0-9' </dev/urandom | head -c "$2" >"$STATE/secrets/.$1.new"
	[ "$(wc -c <"$STATE/secrets/.$1.new")" -eq "$2" ] || fail "could not draw $2 characters from /dev/urandom"
	secret_keep "$1"
}

# secret_put ID : keeps the value that the controller sent ahead.
secret_put() {
	mkdir -p "$STATE/secrets"
	[ -s "$WORK/secret.$1" ] || fail "the value of the secret $1 did not arrive"
	cat "$WORK/secret.$1" >"$STATE/secrets/.$1.new"
	rm -f "$WORK/secret.$1"
	secret_keep "$1"
}

secret_keep() {
	chmod 0600 "$STATE/secrets/.$1.new"
	sync "$STATE/secrets/.$1.new" 2>/dev/null || sync
	mv -f "$STATE/secrets/.$1.new" "$STATE/secrets/$1"
}

# ---- files

# begin_file PATH MODE OWNER : makes $new beside PATH, mode and owner before any content.
begin_file() {
	new="${1%/*}/.${1##*/}.kuboard-ha.new"
	parents_of "$1"
	if [ -e "$new" ] || [ -L "$new" ]; then rm -f "$new"; fi
	: >"$new" # root's, 0600
	[ "$3" = root:root ] || chown "$3" "$new"
	[ "$2" = 0600 ] || chmod "$2" "$new"
}

# parents_of PATH : makes the directory that it stands in.
parents_of() {
	[ -d "${1%/*}" ] || mkdir -p "${1%/*}"
}

# text STRING : prints it as it is.
text() { printf '%s' "$1"; }

# end_file PATH SKELETON [SECRET...] : records what will be there, then puts it there in one rename. A cut between
# the two leaves the old file with the new record, which reads as "not intact" and is written again.
end_file() {
	end_path=$1
	end_key=$2
	shift 2
	for end_secret in "$@"; do
		end_key="$end_key.$(fingerprint "$end_secret")"
	done
	end_sum=$(sha256sum <"$new")
	record_with "$new" "file $end_path" "$end_key ${end_sum%% *}"
	mv -f "$new" "$end_path"
	sync "${end_path%/*}" 2>/dev/null || sync
}

make_dir() {
	(umask 022 && mkdir -p "$1") # parents that others may pass through
	chown "$3" "$1"
	chmod "$2" "$1"
}

make_link() {
	parents_of "$1"
	if [ -d "$1" ] && [ ! -L "$1" ]; then fail "$1 is a directory, a link was expected"; fi
	if [ ! -e "$1" ] && [ ! -L "$1" ]; then
		ln -s "$2" "$1"
		return 0
	fi
	ln -sfn "$2" "$1.kuboard-ha.new"
	mv -fT "$1.kuboard-ha.new" "$1"
}

remove_file() {
	rm -f "$1"
	forget "file $1"
}

# set_aside DIRECTORY : moves all it holds to aside-RUN inside it: same file system, works on a mount point.
set_aside() {
	mkdir -p "$1/aside-$RUN"
	for entry in "$1"/* "$1"/.[!.]*; do
		case $entry in
		"$1"/aside-* | "$1"/lost+found) ;;
		*) if [ -e "$entry" ] || [ -L "$entry" ]; then mv "$entry" "$1/aside-$RUN/"; fi ;;
		esac
	done
	sync
}

# sysctl_apply FILE NAME VALUE... : into the running kernel; boot reads the file.
sysctl_apply() {
	shift
	while [ $# -ge 2 ]; do
		sysctl_path=/proc/sys/$(printf '%s' "$1" | tr . /)
		[ "$(cat "$sysctl_path" 2>/dev/null)" = "$2" ] || printf '%s\n' "$2" >"$sysctl_path" ||
			fail "the kernel refused $1 = $2"
		shift 2
	done
}

# ---- users, packages

add_user() {
	id "$1" >/dev/null 2>&1 && return 0
	if command -v useradd >/dev/null 2>&1; then
		useradd --system --user-group --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"
	else
		addgroup -S "$1" 2>/dev/null || true
		adduser -S -D -H -h "$2" -s /sbin/nologin -G "$1" "$1"
	fi
}

# package_names NAME : what a package is called here, by its Debian name; the likeliest first.
package_names() {
	if command -v apt-get >/dev/null 2>&1; then
		printf '%s\n' "$1"
		return 0
	fi
	case $1 in
	docker.io) printf '%s\n' docker-ce moby-engine docker-engine docker ;;
	default-jre-headless) printf '%s\n' java-17-openjdk-headless java-11-openjdk-headless ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# add_packages NAME... : from the distribution, one call at a time on this host: an archive's way in may need curl
# while a step installs. Services that packages start by themselves are left to later steps.
add_packages() {
	mkdir -p "$STATE"
	(
		umask 022 # what packages make is for everybody
		flock 8
		if command -v apt-get >/dev/null 2>&1; then apt_add "$@" 8>&-; else rpm_add "$@" 8>&-; fi
	) 8>>"$STATE/packages.lock"
}

# apt_add NAME... : repairs an interrupted dpkg and refreshes the lists only when that is needed.
apt_add() {
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
	set -- apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 install "$@"
	"$@" || {
		patiently dpkg --configure -a
		patiently apt-get -q -o Acquire::Retries=3 update
		patiently "$@"
	}
}

# patiently COMMAND... : again for two minutes while another process (unattended upgrades) holds the packages' locks.
patiently() {
	patient_turns=60
	until patient_said=$("$@" 2>&1); do
		case $patient_said in
		*"ould not get lock"* | *"nable to lock"* | *"nable to acquire the dpkg"* | *"locked by another"*) ;;
		*) patient_turns=0 ;;
		esac
		patient_turns=$((patient_turns - 1))
		[ "$patient_turns" -gt 0 ] || fail "$patient_said"
		sleep 2
	done
	printf '%s\n' "$patient_said"
}

# rpm_add NAME... : with the package manager of the RHEL or SUSE kin.
rpm_add() {
	for package in "$@"; do
		package_added=
		for candidate in $(package_names "$package"); do
			if command -v dnf >/dev/null 2>&1; then
				dnf install -y --exclude=podman-docker "$candidate" && package_added=yes && break
			elif command -v yum >/dev/null 2>&1; then
				yum install -y --exclude=podman-docker "$candidate" && package_added=yes && break
			elif command -v zypper >/dev/null 2>&1; then
				zypper --non-interactive install "$candidate" && package_added=yes && break
			fi
		done
		[ -n "$package_added" ] ||
			fail "no package could be installed of: $(package_names "$package" | tr '\n' ' ')install what it is called here by hand"
	done
}

# ---- archives: $STATE/stage/SHA256, verified on this host before anything is unpacked

# tree DIRECTORY : what lies there, a line each.
tree() { find "$1" -printf '%P|%y|%s|%m|%U|%C@\n' 2>/dev/null; }

# tree_stamp DIRECTORY : changes when a name, size, mode or change time below it does. A look computes it from the tree itself.
tree_stamp() {
	tree_sum=$(tree "$1" | sort | sha256sum)
	printf '%.32s\n' "$tree_sum"
}

# fetch_staged SHA256 URL : this host downloads by itself. What an earlier run left is gone on with, once.
fetch_staged() {
	mkdir -p "$STATE/stage"
	if is_staged "$1"; then return 0; fi
	command -v curl >/dev/null 2>&1 || add_packages curl
	# A server that has nothing more to send calls the rest of a whole file an error; another file goes on wrongly.
	if [ -s "$STATE/stage/$1.part" ] && ! is_whole "$1"; then
		fetch_part "$@" 2>/dev/null || true
		is_whole "$1" || rm -f "$STATE/stage/$1.part"
	fi
	[ -s "$STATE/stage/$1.part" ] || fetch_part "$@"
	staged "$1"
}

# fetch_part SHA256 URL : the address may hold a token: it stands in no command line.
fetch_part() {
	printf 'url = "%s"\n' "$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')" |
		curl -K - -fsSL --proto =http,https --retry 3 --connect-timeout 15 -C - -o "$STATE/stage/$1.part"
}

# is_whole SHA256 : whether all of that archive has come.
is_whole() { digest "$STATE/stage/$1.part" 2>/dev/null && [ "$digest" = "$1" ]; }

# is_staged SHA256 : whether that archive lies there as it was verified. One that does not, as a power cut may leave it, goes:
# its name alone would keep the next look from having it brought again.
is_staged() {
	digest=
	[ -e "$STATE/stage/$1" ] || return 1
	if digest "$STATE/stage/$1" && [ "$digest" = "$1" ]; then return 0; fi
	rm -f "$STATE/stage/$1"
	return 1
}

# staged SHA256 : verifies what was sent or fetched, then gives it its name; on disk before that.
staged() {
	if is_staged "$1"; then return 0; fi
	is_whole "$1" || {
		rm -f "$STATE/stage/$1.part"
		fail "digest of the archive is ${digest:-unknown}, expected $1"
	}
	sync "$STATE/stage/$1.part" 2>/dev/null || sync
	mv -f "$STATE/stage/$1.part" "$STATE/stage/$1"
	[ ! -d "$WORK" ] || archive_stamp "$STATE/stage/$1" >"$WORK/verified.$1"
}

# is_unchanged SHA256 : ends the step unless the staged archive is what was verified. One that this run verified as it came
# in is known by its stamp.
is_unchanged() {
	if [ -f "$WORK/verified.$1" ] && [ "$(cat "$WORK/verified.$1")" = "$(archive_stamp "$STATE/stage/$1")" ]; then
		return 0
	fi
	is_staged "$1" ||
		fail "the staged archive is damaged: its digest is ${digest:-unknown}, expected $1; it was removed, the next up brings it again"
}

# sync_tree DIRECTORY : these files only: all that waits to be written may be a lot, and others'.
sync_tree() { find "$1" -type f -exec sync {} + 2>/dev/null; }

# unpack SHA256 DIRECTORY [MEMBER...] : into a new directory, moved into place in one rename.
unpack() {
	unpack_sha=$1
	unpack_dir=$2
	shift 2
	is_unchanged "$unpack_sha"
	rm -rf "$unpack_dir.new"
	(umask 022 && mkdir -p "$unpack_dir.new")
	# What is there already goes to the disk meanwhile: little is left to wait for at the end.
	while sleep 0.5; do sync_tree "$unpack_dir.new"; done &
	unpack_syncs=$!
	unpack_failed=0
	gzip -dc "$STATE/stage/$unpack_sha" |
		tar -x -f - -C "$unpack_dir.new" --no-same-owner --strip-components=1 || unpack_failed=$?
	kill "$unpack_syncs" 2>/dev/null || true
	[ "$unpack_failed" = 0 ] || exit "$unpack_failed"
	if [ $# -gt 0 ]; then
		mkdir "$unpack_dir.new/.keep"
		for member in "$@"; do
			mv "$unpack_dir.new/$member" "$unpack_dir.new/.keep/"
		done
		find "$unpack_dir.new" -mindepth 1 -maxdepth 1 ! -name .keep -exec rm -rf {} +
		mv "$unpack_dir.new/.keep/"* "$unpack_dir.new/"
		rmdir "$unpack_dir.new/.keep"
	fi
	chown -R root:root "$unpack_dir.new"
	chmod -R u+rwX,go+rX,go-w "$unpack_dir.new"
	if command -v restorecon >/dev/null 2>&1; then restorecon -R "$unpack_dir.new"; fi
	sync_tree "$unpack_dir.new" || sync
	if [ -e "$unpack_dir" ]; then mv "$unpack_dir" "$unpack_dir.replaced-$RUN"; fi
	mv -T "$unpack_dir.new" "$unpack_dir"
	rm -rf "$unpack_dir.replaced-$RUN"
	record "install $unpack_dir" "$unpack_sha $(tree_stamp "$unpack_dir")"
	rm -f "$STATE/stage/$unpack_sha"
}

# ---- units

# reload_for UNIT : has systemd read its unit files again, which takes as long as many steps, unless it has that unit as it lies
# there. A new one it reads by itself, since its release 246.
reload_for() {
	reload_state=$(systemctl show -p LoadState,NeedDaemonReload "$1")
	case $reload_state in
	*LoadState=loaded*NeedDaemonReload=no* | *NeedDaemonReload=no*LoadState=loaded*) ;;
	*) systemctl daemon-reload ;;
	esac
}

# stamp_unit UNIT FILE... : notes which recorded files the process now runs with; /run forgets it at boot, when every
# process starts from what is on disk.
stamp_unit() {
	stamp_name=$1
	shift
	stamp_keys=
	for stamp_file in "$@"; do
		stamp_value=$(recorded "file $stamp_file")
		stamp_value=${stamp_value%% *}
		stamp_keys="$stamp_keys${stamp_keys:++}${stamp_value:-absent}"
	done
	mkdir -p "/run/kuboard-ha.stamps/$CLUSTER"
	printf '%s %s\n' "$(systemctl show -p InvocationID --value "$stamp_name")" "$stamp_keys" \
		>"/run/kuboard-ha.stamps/$CLUSTER/$stamp_name"
}

# ---- containers

# image_pull IMAGE [USERNAME] : with a login where a user is given; the login is forgotten again.
image_pull() {
	if [ -n "${2:-}" ]; then
		image_registry=docker.io
		case $1 in */*) case ${1%%/*} in *.* | *:* | localhost) image_registry=${1%%/*} ;; esac ;; esac
		DOCKER_CONFIG="$WORK/docker"
		export DOCKER_CONFIG
		mkdir -p "$DOCKER_CONFIG"
		secret_raw registry-password | docker login -u "$2" --password-stdin "$image_registry" >/dev/null
	fi
	docker pull -q "$1"
	rm -rf "$WORK/docker"
}

# image_load SHA256 IMAGE : from a staged archive that must hold the image under that name.
image_load() {
	is_unchanged "$1"
	image_loaded=$(docker load -q -i "$STATE/stage/$1")
	docker image inspect "$2" >/dev/null 2>&1 || fail "the archive holds no image named $2 but: $image_loaded"
	rm -f "$STATE/stage/$1"
}

# container_named NAME ENV_FILE DIGEST : whose environment, and what its label says of both.
container_named() {
	container=$1
	container_env=$2
	container_key=$(recorded "file $2")
	container_label="$3-${container_key%% *}"
}

# container_new COMMAND... : docker's run or create.
container_new() {
	container_command=$1
	shift
	docker "$container_command" --name "$container" --label "kuboard-ha.config=$container_label" \
		--env-file "$container_env" "$@"
}

# container_up COMMAND... : does what starts $container. Where power was lost within some 0.1 s of a start, the engine holds the ports of
# what is gone (moby#25981; Docker 20.10 in 15 of 18 such cuts) until it begins anew; where nothing else runs, it is made to.
container_up() {
	container_said=$("$@" 2>&1 >/dev/null) && return 0
	printf '%s\n' "$container_said" >&2
	case $container_said in *'port is already allocated'*) [ -z "$(docker ps -q)" ] || return 1 ;; *) return 1 ;; esac
	systemctl restart docker.service && docker start "$container" >/dev/null
}

# container_start NAME : starts one that was made beforehand.
container_start() {
	container=$1
	container_up docker start "$container"
}

# container_create NAME ENV_FILE DIGEST ARGUMENT... : makes one where there is none; started later, it starts sooner.
container_create() {
	container_named "$1" "$2" "$3"
	shift 3
	container_new create "$@" >/dev/null
}

# container_run NAME ENV_FILE DIGEST ARGUMENT... : replaces the container of that name; the old one comes back when
# the new one cannot be created.
container_run() {
	container_named "$1" "$2" "$3"
	shift 3
	docker rm -f "$container-replaced" >/dev/null 2>&1 || true
	if docker inspect --type container "$container" >/dev/null 2>&1; then
		docker stop -t 20 "$container" >/dev/null
		docker rename "$container" "$container-replaced"
	fi
	if container_up container_new run -d "$@"; then
		docker rm -f "$container-replaced" >/dev/null 2>&1 || true
		return 0
	fi
	docker rm -f "$container" >/dev/null 2>&1 || true
	if docker rename "$container-replaced" "$container" 2>/dev/null; then docker start "$container" >/dev/null; fi
	fail "the container $container could not be created"
}

# ---- the network, without curl

# Bash text: `opens HOST PORT` says whether a connection is accepted, however long that takes.
# shellcheck disable=SC2016
opens='opens() { { exec 4<>"/dev/tcp/$1/$2"; } 2>/dev/null && exec 4>&-; }
'

# tcp_open HOST PORT : whether a connection is accepted within 2 s.
tcp_open() {
	# shellcheck disable=SC2016  # bash fills in its own arguments
	timeout 2 bash -c "$opens"'opens "$@"' - "$1" "$2"
}

# Bash text: `soon COMMAND...` tries it every 25 ms for half a second. A process for each try would take from what is waited for.
# shellcheck disable=SC2016
soon='soon() {
	local nap tries=20
	exec {nap}<> <(:)
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		read -r -t 0.025 -u "$nap"
	done
}
'

# tcp_soon HOST PORT : whether a connection to this host itself is accepted within half a second.
tcp_soon() {
	# shellcheck disable=SC2016  # bash fills in its own arguments
	timeout 2 bash -c "$opens$soon"'soon opens "$@"' - "$1" "$2"
}

# Bash text: `ask HOST PORT PATH [BODY]` puts the raw HTTP/1.0 answer into $answer, to a POST of JSON where there is a body; 7 says
# that nothing accepts connections. It reads as much as the answer says that it is: etcd's peer port often holds the
# connection open for 5 s more.
# shellcheck disable=SC2016
http_ask='ask() {
	answer=
	exec 3<>"/dev/tcp/$1/$2" || return 7
	local host=$1 line length= body=
	case $host in *:*) host="[$host]" ;; esac
	if [ -n "${4:-}" ]; then
		printf "POST %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s" \
			"$3" "$host" "$2" "${#4}" "$4" >&3
	else
		printf "GET %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\n\r\n" "$3" "$host" "$2" >&3
	fi
	while IFS= read -r line <&3; do
		answer+="$line
"
		line=${line%%[[:cntrl:]]*}
		case ${line,,} in content-length:*) length=${line##*[!0-9]} ;; esac
		[ -n "$line" ] || break
	done
	if [ -z "$length" ]; then
		IFS= read -r -d "" body <&3
	elif [ "$length" -gt 0 ] && [ "$length" -le 1048576 ]; then
		IFS= read -r -N "$length" body <&3
	fi
	answer+=$body
	exec 3>&-
} 2>/dev/null
'

# http_get HOST PORT PATH : the raw answer within $http_limit seconds (10 unless set); fails without one.
http_get() {
	# shellcheck disable=SC2016  # bash fills in its own arguments
	timeout "${http_limit:-10}" bash -c "$http_ask"'ask "$@" && printf "%s" "$answer"' - "$@"
}

# http_post HOST PORT PATH BODY : the same with a JSON body.
http_post() { http_get "$@"; }
