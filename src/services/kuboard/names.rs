//! What Kuboard's things are called on its hosts.

use std::net::IpAddr;

use crate::inventory::Inventory;
use crate::plan::model::ContainerSpec;
use crate::resource::HostName;

/// The container.
pub const CONTAINER: &str = "kuboard";
/// Its environment.
pub const ENV_FILE: &str = "/etc/kuboard.env";
/// The engine's unit.
pub const DOCKER_UNIT: &str = "docker.service";
/// The engine's package, by its Debian name.
pub const DOCKER_PACKAGE: &str = "docker.io";
/// Starts the container at boot where Docker could not.
pub const BOOT_UNIT: &str = "kuboard-boot.service";
/// Its file.
pub const BOOT_FILE: &str = "/etc/systemd/system/kuboard-boot.service";
/// Whose a replica's folder of data is.
pub const FOLDER_OWNER: &str = "root:root";
/// Manifest: a replica on this host was seen working, `yes`, or one that was there `BEFORE`.
pub const SERVED: &str = "kuboard served";
/// `SERVED`, while the container that replaced it was not seen working.
pub const BEFORE: &str = "before";
/// Where QuestDB listens; Kuboard's manual names it.
pub const QUESTDB_PORT: u16 = 8812;
/// The port of the web server inside the image.
pub const IMAGE_PORT: u16 = 80;

/// The file that makes all replicas take one agent key; without it every installation in the world has the same.
pub fn agent_key_file(inventory: &Inventory) -> String {
    format!("{}/kuboard_agent_key", inventory.kuboard.data_dir)
}

/// `10.0.0.1:80`, `[fd00::1]:80`.
pub fn socket(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

/// The container of a replica. Published on the host's own address: another service may use the port on another
/// address of the host, the balancer on the floating one.
pub fn container(inventory: &Inventory, host: &HostName, selinux: bool) -> ContainerSpec {
    let kuboard = &inventory.kuboard;
    let address = inventory.address(host);
    let label = if selinux { ":Z" } else { "" };
    // The log driver is named because its options are refused by others, journald for instance.
    let options = [
        "--restart",
        "unless-stopped",
        "--log-driver",
        "json-file",
        "--log-opt",
        "max-size=50m",
        "--log-opt",
        "max-file=3",
    ];
    ContainerSpec {
        name: CONTAINER.to_owned(),
        image: kuboard.image.clone(),
        env_file: ENV_FILE.to_owned(),
        publish: vec![
            format!("{}:{IMAGE_PORT}/tcp", socket(address, kuboard.http_port)),
            format!("{}:{}/tcp", socket(address, kuboard.agent_port), kuboard.agent_port),
        ],
        volumes: vec![format!("{}:/data{label}", kuboard.data_dir)],
        options: options.map(str::to_owned).to_vec(),
    }
}
