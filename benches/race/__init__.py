"""The race: kuboard-ha, the floor and the peers on the same hosts, in turn."""
