//! kuboard-ha turns bare Linux hosts into a highly available Kuboard.

pub mod apply;
pub mod artifact;
pub mod catalog;
pub mod cli;
pub mod event;
pub mod facts;
pub mod host;
pub mod inventory;
pub mod plan;
pub mod render;
pub mod resource;
pub mod secret;
pub mod services;
pub mod status;
