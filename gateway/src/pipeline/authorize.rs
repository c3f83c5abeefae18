//! Stage five: may this caller use this route? A pure function of the route's access and the verified caller.

use super::principal::{Kind, Principal};
use crate::config::Access;

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The user has none of the route's roles.
    #[error("This needs the role {}.", .0.join(" or "))]
    Role(Vec<String>),
    /// The route is for certain clients, and the caller is none of them.
    #[error("This is for other clients.")]
    Client,
    /// The route is for users, and the caller is a client.
    #[error("This is for users, not for clients.")]
    User,
}

/// Decides. A caller that is anonymous here has passed [`super::authenticate`], so the route lets everyone in.
///
/// # Errors
/// [`Forbidden`] with what would have been needed.
pub fn authorize(access: &Access, caller: &Principal) -> Result<(), Forbidden> {
    match (access, caller.kind()) {
        (Access::Public, _) | (Access::Optional, Kind::Anonymous | Kind::User) => Ok(()),
        (Access::Authenticated, Kind::User) => Ok(()),
        (Access::Roles(roles), Kind::User) if roles.iter().any(|role| caller.has_role(role)) => Ok(()),
        (Access::Roles(roles), Kind::User | Kind::Anonymous) => Err(Forbidden::Role(roles.clone())),
        (Access::Clients(clients), Kind::Client) if clients.iter().any(|id| caller.is_client(id)) => Ok(()),
        (Access::Clients(_), _) => Err(Forbidden::Client),
        // Anonymous and yet here: refuse, whatever went wrong before.
        (Access::Authenticated, Kind::Anonymous) => Err(Forbidden::User),
        (Access::Optional | Access::Authenticated | Access::Roles(_), Kind::Client) => Err(Forbidden::User),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::principal::tests::{client, user};

    fn check(access: &Access, caller: &Principal, expected: Result<(), Forbidden>) {
        assert_eq!(authorize(access, caller), expected, "{access:?} {caller:?}");
    }

    #[test]
    fn who_may() {
        let (admins, staff) = (vec!["ADMIN".to_owned()], vec!["ADMIN".to_owned(), "USER".to_owned()]);
        let reports = Access::Clients(vec!["reports".into()]);
        let ann = user("ann@example.com", "USER");
        check(&Access::Public, &Principal::anonymous(), Ok(()));
        check(&Access::Optional, &Principal::anonymous(), Ok(()));
        check(&Access::Optional, &ann, Ok(()));
        check(&Access::Authenticated, &ann, Ok(()));
        check(&Access::Roles(admins.clone()), &ann, Err(Forbidden::Role(admins.clone())));
        check(&Access::Roles(admins.clone()), &user("b@example.com", "ADMIN"), Ok(()));
        check(&Access::Roles(admins.clone()), &user("b@example.com", "admin"), Err(Forbidden::Role(admins)));
        check(&Access::Roles(staff), &ann, Ok(()));
        check(&reports, &ann, Err(Forbidden::Client));
    }

    #[test]
    fn a_client_passes_only_routes_that_name_it() {
        let reports = client("reports");
        check(&Access::Clients(vec!["billing".into(), "reports".into()]), &reports, Ok(()));
        check(&Access::Clients(vec!["billing".into()]), &reports, Err(Forbidden::Client));
        check(&Access::Clients(vec!["client:reports".into()]), &reports, Err(Forbidden::Client));
        let service = Access::Roles(vec!["SERVICE".into()]);
        for access in [Access::Optional, Access::Authenticated, service] {
            check(&access, &reports, Err(Forbidden::User));
        }
    }

    #[test]
    fn nobody_slips_through_as_anonymous() {
        let anonymous = Principal::anonymous();
        check(&Access::Authenticated, &anonymous, Err(Forbidden::User));
        check(&Access::Roles(vec![String::new()]), &anonymous, Err(Forbidden::Role(vec![String::new()])));
        check(&Access::Clients(vec![String::new()]), &anonymous, Err(Forbidden::Client));
    }

    #[test]
    fn the_answer_names_the_role() {
        let error = Forbidden::Role(vec!["ADMIN".into(), "AUDITOR".into()]);
        assert_eq!(error.to_string(), "This needs the role ADMIN or AUDITOR.");
    }
}
