//! How servers behind might read a path: each a few lines, after what they really do.

pub type Decoder = fn(&str) -> String;

pub const ALL: [(&str, Decoder); 17] = [
    ("as it came", |path| path.to_owned()),
    ("decoded once", |path| decoded(path)),
    ("decoded twice", |path| decoded(&decoded(path))),
    ("decoded to the end", |path| fixpoint(path)),
    ("parameters cut, decoded", |path| decoded(&without_parameters(path))),
    ("decoded, parameters cut", |path| without_parameters(&decoded(path))),
    ("decoded to the end, parameters cut, dots resolved", |path| {
        resolved(&without_parameters(&fixpoint(path)))
    }),
    ("RFC 3986 dots", resolved),
    ("decoded, dots resolved", |path| resolved(&decoded(path))),
    ("slashes merged", |path| merged(&decoded(path))),
    ("backslashes turned", |path| resolved(&merged(&fixpoint(path).replace('\\', "/")))),
    ("lower case", |path| decoded(path).to_ascii_lowercase()),
    ("plus is a blank", |path| decoded(&path.replace('+', " "))),
    ("WHATWG", |path| decoded(&whatwg(path))),
    ("cut at NUL", |path| until(&fixpoint(path), "\0")),
    ("decoded and parsed again", |path| until(&fixpoint(path), "?#")),
    ("Express: lower case, decoded, trailing slash", |path| {
        fixpoint(&path.to_ascii_lowercase()).trim_end_matches('/').to_owned()
    }),
];

/// The longest of `routes` that `path` lies in, whole segments; case counts only if the reader kept it.
pub fn route<'r>(path: &str, routes: &[&'r str]) -> &'r str {
    let lies_in = |route: &&&str| {
        let route = route.trim_end_matches('/');
        let begins = path.get(..route.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(route));
        begins && matches!(path.as_bytes().get(route.len()), None | Some(b'/'))
    };
    let found = routes.iter().filter(lies_in).max_by_key(|route| route.len());
    found.map_or("", |route| route.trim_end_matches('/'))
}

fn decoded(path: &str) -> String {
    let (bytes, mut out, mut at) = (path.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = path
            .get(at + 1..at + 3)
            .filter(|digits| bytes[at] == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn fixpoint(path: &str) -> String {
    let next = decoded(path);
    if next == path { next } else { fixpoint(&next) }
}

fn without_parameters(path: &str) -> String {
    let bare = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    path.split('/').map(bare).collect::<Vec<_>>().join("/")
}

/// RFC 3986 section 5.2.4.
fn resolved(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(out.pop()),
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

fn merged(path: &str) -> String {
    let mut out = path.to_owned();
    while out.contains("//") {
        out = out.replace("//", "/");
    }
    out
}

fn whatwg(path: &str) -> String {
    url::Url::parse(&format!("http://h{path}")).map_or_else(|_| path.to_owned(), |url| url.path().to_owned())
}

fn until(path: &str, ends: &str) -> String {
    path.split(|c| ends.contains(c)).next().unwrap_or_default().to_owned()
}
