DROP INDEX audit_events_kind, audit_events_actor_id, audit_events_user_id, users_disabled, users_admins, users_domain_order,
    users_email_order;
