//! The two listening sockets: bound here, or inherited from whoever started the process.
//!
//! A socket that systemd holds outlives the process, so a replacement listens on the very same one and no client is
//! turned away in between (`sd_listen_fds(3)`: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`).

use std::io;
use std::net::TcpListener;

use socket2::Socket;

/// Sockets that were handed to this process. The default is none.
#[derive(Debug, Default)]
pub struct Inherited {
    pub(super) public: Option<TcpListener>,
    pub(super) admin: Option<TcpListener>,
}

/// Why what was handed over is of no use.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// The variables make no sense.
    #[error("LISTEN_PID and LISTEN_FDS make no sense")]
    Environment,
    /// Nobody knows what it is for.
    #[error("the inherited socket {0:?} is not called `public` or `admin` (FileDescriptorName= in systemd)")]
    Name(String),
    /// Two for the same.
    #[error("there are two inherited sockets called {0:?}")]
    Twice(String),
    /// No listening TCP socket.
    #[error("the inherited socket {name:?} is not one that listens")]
    NoListener {
        /// What it is called.
        name: String,
        /// What the system says, if it says anything.
        source: Option<io::Error>,
    },
}

impl Inherited {
    /// Takes what was handed over. To be called once, at the process's start: the sockets have one owner.
    ///
    /// # Errors
    /// See [`InheritedError`].
    pub fn take() -> Result<Self, InheritedError> {
        let handed = sd_listen_fds::get().map_err(|_| InheritedError::Environment)?;
        let mut inherited = Self::default();
        for (index, (name, socket)) in handed.into_iter().enumerate() {
            // Without names the order decides.
            let by_order = || if index == 0 { "public" } else { "admin" }.to_owned();
            let name = name.unwrap_or_else(by_order);
            let place = match name.as_str() {
                "public" => &mut inherited.public,
                "admin" => &mut inherited.admin,
                _ => return Err(InheritedError::Name(name)),
            };
            let listener = listener(socket.into_std().into());
            let listener =
                listener.map_err(|source| InheritedError::NoListener { name: name.clone(), source })?;
            if place.replace(listener).is_some() {
                return Err(InheritedError::Twice(name));
            }
        }
        Ok(inherited)
    }
}

fn listener(socket: Socket) -> Result<TcpListener, Option<io::Error>> {
    if !socket.is_listener()? {
        return Err(None);
    }
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    listener.local_addr()?;
    Ok(listener)
}
