# shellcheck shell=bash
# Topologies, and the inventory that kuboard-ha reads for each. Sourced by ../lab.

# topology_numbers TOPOLOGY: HOST=NUMBER, the last part of the address; the manual's where the manual has the host.
topology_numbers() {
    case $1 in
        eight) echo "etcd1=11 etcd2=12 etcd3=13 questdb=16 lb-1=18 lb-2=19 kuboard-1=21 kuboard-2=22" ;;
        six) echo "etcd1=11 etcd2=12 etcd3=13 questdb=16 kuboard-1=21 kuboard-2=22" ;;
        three) echo "node-1=11 node-2=12 node-3=13" ;;
        one) echo "node-1=11" ;;
        five) echo "etcd1=11 etcd2=12 etcd3=13 etcd4=14 etcd5=15 questdb=16 kuboard-1=21 kuboard-2=22" ;;
        *) die "no topology $1; there are: eight six three one five" ;;
    esac
}

# topology_hosts TOPOLOGY SUBNET: HOST=ADDRESS, one a line.
topology_hosts() {
    local host
    for host in $(topology_numbers "$1"); do
        printf '%s=%s\n' "${host%%=*}" "$(address "$2" "${host#*=}")"
    done
}

inventory() {
    local topology=${1:?which topology? eight six three one five} subnet_ mirror arch artifacts etcd questdb kuboard balancer=''
    # For a network that does not exist the engine prints an empty line.
    subnet_=$(subnet) || subnet_=$default_subnet
    mirror=http://$(address "$subnet_" 2)
    arch=$(architecture)
    artifacts=$(artifacts_dir)
    [ -d "$artifacts" ] || die "the artefacts are not gathered; run: lab prepare"
    digest() { awk -v name="$1" '$2 == name { print $1 }' "$artifacts/SHA256SUMS"; }

    case $topology in
        eight) etcd='etcd1, etcd2, etcd3' questdb=questdb kuboard='kuboard-1, kuboard-2' balancer='lb-1, lb-2' ;;
        six) etcd='etcd1, etcd2, etcd3' questdb=questdb kuboard='kuboard-1, kuboard-2' balancer=own ;;
        three) etcd='node-1, node-2, node-3' questdb=node-1 kuboard='node-1, node-2, node-3' balancer='node-1, node-2, node-3' ;;
        one) etcd=node-1 questdb=node-1 kuboard=node-1 ;;
        five) etcd='etcd1, etcd2, etcd3, etcd4, etcd5' questdb=questdb kuboard='kuboard-1, kuboard-2' balancer='kuboard-1, kuboard-2' ;;
        *) die "no topology $topology; there are: eight six three one five" ;;
    esac

    cat <<YAML
# Lab $lab, topology $topology. Written by: lab inventory $topology
cluster: kuboard
ssh: { user: root, config_file: $(lab_dir)/ssh_config }
hosts:
$(topology_hosts "$topology" "$subnet_" | sed 's/^/  /; s/=/: /')
etcd:
  hosts: [$etcd]
  version: $etcd_version
  download:                     # built for the lab from etcd's Go modules, hence a digest of its own
    url: $mirror/etcd-v{version}-linux-{arch}.tar.gz
    sha256: { $arch: $(digest "etcd-v$etcd_version-linux-$arch.tar.gz") }
    # for a rolling upgrade, $etcd_later_version: $(digest "etcd-v$etcd_later_version-linux-$arch.tar.gz")
questdb:
  host: $questdb
  version: $questdb_version
  flavour: rt
  heap: 256MiB
  download:
    url: $mirror/questdb-{version}-rt-linux-{arch}.tar.gz
    sha256: { $arch: $(digest "questdb-$questdb_version-rt-linux-$arch.tar.gz") }
    # for flavour no-jre: $mirror/questdb-{version}-no-jre-bin.tar.gz
    # with: $(digest "questdb-$questdb_version-no-jre-bin.tar.gz")
kuboard:
  hosts: [$kuboard]
  image: eipwork/kuboard:$kuboard_tag
  image_archive:                # a STAND-IN for Kuboard, which is closed; leave this out where a registry can be reached
    url: $mirror/kuboard-standin-$kuboard_tag.tar.gz
    sha256: { $arch: $(digest "kuboard-standin-$kuboard_tag.tar.gz") }
YAML
    case $balancer in
        '') ;;
        own) printf 'load_balancer: { address: %s }\n' "$(address "$subnet_" 20)" ;;
        *) printf 'load_balancer:\n  address: %s\n  hosts: [%s]\n' "$(address "$subnet_" 20)" "$balancer" ;;
    esac
}
