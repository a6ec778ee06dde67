# Bash text: `healthy HOST PORT WHO` asks a member whether it is. The last line says what was seen, also where the answer never
# comes: asking is a linearizable read, and without a quorum there is none.
# shellcheck disable=SC2016  # bash fills in its own variables
health='healthy() {
	echo "$3 does not answer /health"
	ask "$1" "$2" /health || return 1
	case $answer in *\"health\":\"true\"*) echo "$3 is healthy" && return ;; esac
	answer=${answer%[[:cntrl:]]}
	echo "$3 is not healthy: ${answer##*[[:cntrl:]]}"
	return 1
}
'
