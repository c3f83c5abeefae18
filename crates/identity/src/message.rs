//! What the signature covers, as the RFC 9421 section 2.5 signature base. Signer and verifier both write it here,
//! so they cannot differ.

/// The label of the gateway's member in `Signature` and `Signature-Input`.
pub(crate) const LABEL: &str = "gateway";

/// The covered components: one list in one order, compared byte for byte.
pub(crate) const COVERED: &str = "(\"@method\" \"@path\" \"@query\" \"x-request-id\" \"x-forwarded-for\" \
    \"x-forwarded-proto\" \"x-forwarded-host\" \"x-user-id\" \"x-user-email\" \"x-user-role\" \"x-session-id\")";

/// The parameters after `keyid`.
pub(crate) const ALG_AND_TAG: &str = ";alg=\"hmac-sha256\";tag=\"portcullis\"";

/// Everything that is covered, as the exact bytes that go over the wire. Header values have no space around them:
/// HTTP strips it on the way.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "each field is the header or derived component of its name")]
pub struct Message<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Without the `?`. Absent and empty sign alike (RFC 9421 section 2.2.7).
    pub query: Option<&'a str>,
    pub request_id: &'a [u8],
    pub forwarded_for: &'a [u8],
    pub forwarded_proto: &'a [u8],
    pub forwarded_host: &'a [u8],
    pub user_id: &'a [u8],
    pub user_email: &'a [u8],
    pub user_role: &'a [u8],
    pub session_id: &'a [u8],
}

impl Message<'_> {
    /// Writes the signature base up to and including the list; the parameters follow.
    pub(crate) fn write_base(&self, base: &mut Vec<u8>) {
        let lines: [(&str, &[u8]); 11] = [
            ("\"@method\": ", self.method.as_bytes()),
            // An empty path is `/` (RFC 9421 section 2.2.6).
            ("\n\"@path\": ", if self.path.is_empty() { b"/" } else { self.path.as_bytes() }),
            ("\n\"@query\": ?", self.query.unwrap_or_default().as_bytes()),
            ("\n\"x-request-id\": ", self.request_id),
            ("\n\"x-forwarded-for\": ", self.forwarded_for),
            ("\n\"x-forwarded-proto\": ", self.forwarded_proto),
            ("\n\"x-forwarded-host\": ", self.forwarded_host),
            ("\n\"x-user-id\": ", self.user_id),
            ("\n\"x-user-email\": ", self.user_email),
            ("\n\"x-user-role\": ", self.user_role),
            ("\n\"x-session-id\": ", self.session_id),
        ];
        for (name, value) in lines {
            base.extend_from_slice(name.as_bytes());
            base.extend_from_slice(value);
        }
        base.extend_from_slice(b"\n\"@signature-params\": ");
        base.extend_from_slice(COVERED.as_bytes());
    }
}
