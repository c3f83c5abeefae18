//! The route table: nothing twice, nothing that no request can reach.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use http::Method;
use toml::Spanned;

use super::check::{Complaints, some_time};
use super::file::StripText;
use super::values::DurationText;
use super::{Route, RouteTimeouts, Timeouts, Upstream, UpstreamId, cors, file, headers, rates, upstreams};
use crate::pipeline::{canonical, rewrite};

/// What holds for routes that do not say.
#[derive(Clone, Copy)]
pub(super) struct Common<'f> {
    pub(super) body: u64,
    pub(super) timeouts: &'f Timeouts,
    pub(super) rates: &'f file::RatesText,
}

pub(super) fn routes(
    written: Vec<Spanned<file::Route>>,
    (names, list): (&BTreeMap<String, UpstreamId>, &[Upstream]),
    common: Common<'_>,
    wrong: &mut Complaints<'_>,
) -> Vec<Route> {
    if written.is_empty() {
        wrong.general("there are no [[routes]]: every request would be answered with 404");
    }
    let mut first_lines = HashMap::new();
    let (mut routes, mut lines) = (Vec::new(), Vec::new());
    for route in written {
        let route = route.into_inner();
        let path = path(&route.path, wrong);
        let line = wrong.line(&route.path.span());
        // Many servers ignore case: two such routes would be one for them, with one of two accesses.
        if let Some(first) = first_lines.insert(path.to_ascii_lowercase(), line) {
            wrong.at(
                &route.path.span(),
                format_args!("{:?} is routed on line {first} already", route.path.get_ref()),
            );
        }
        let methods = route.methods.map(|methods| self::methods(&methods, wrong));
        if route.websocket && methods.as_ref().is_some_and(|methods| !methods.contains(&Method::GET)) {
            wrong.at(
                &route.path.span(),
                "`websocket = true` needs the method GET, with which every websocket begins",
            );
        }
        let Some(upstream) = upstreams::named(&route.upstream, names, wrong) else { continue };
        if route.websocket && list.get(upstream.0).is_some_and(|upstream| upstream.http2) {
            let message =
                "`websocket = true` needs an upstream without `http2`: a websocket begins in HTTP/1.1";
            wrong.at(&route.path.span(), message);
        }
        let strip = route.strip_prefix.as_ref().map_or(0, |text| strip(text, &path, wrong));
        lines.push(route.path.span());
        routes.push(Route {
            id: routes.len(),
            rates: rates::of_route(&path, &route.rate, common.rates),
            concurrency: route.concurrency.map(usize::from),
            strip,
            cors: route.cors.as_ref().map(|own| cors::checked(&own.0, wrong)),
            request_headers: headers::rules(&route.request_headers, rewrite::may_change_request, wrong),
            response_headers: headers::rules(&route.response_headers, rewrite::may_change_answer, wrong),
            timeouts: route.timeouts.map(|own| timeouts(&own, common.timeouts, wrong)),
            path,
            upstream,
            access: route.access.into_inner().0,
            methods,
            body: route.body.map_or(common.body, |size| size.0),
            forward_authorization: route.forward_authorization,
            websocket: route.websocket,
        });
    }
    one_access_for_each_seen_path(&routes, &lines, wrong);
    routes
}

fn timeouts(own: &file::RouteTimeouts, common: &Timeouts, wrong: &mut Complaints<'_>) -> RouteTimeouts {
    let mut of = |key, own: &Option<Spanned<DurationText>>, common| {
        own.as_ref().map_or(common, |text| some_time(key, text, wrong))
    };
    RouteTimeouts {
        first_byte: of("first_byte", &own.first_byte, common.first_byte),
        idle: of("idle", &own.idle, common.idle),
    }
}

/// How many bytes of the path the upstream does not see.
fn strip(text: &Spanned<StripText>, path: &str, wrong: &mut Complaints<'_>) -> usize {
    match text.get_ref() {
        StripText::Whole(false) => 0,
        StripText::Whole(true) => {
            if path.is_empty() {
                wrong.at(&text.span(), "`strip_prefix`: the path is `/`, there is nothing to strip");
            }
            path.len()
        }
        StripText::Prefix(prefix) => {
            let bare = prefix.strip_suffix('/').unwrap_or(prefix);
            let rest = path.strip_prefix(bare).filter(|_| !bare.is_empty());
            if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                let message = "is not the beginning of the route's path, by whole segments";
                wrong.at(&text.span(), format_args!("`strip_prefix`: {prefix:?} {message}"));
            }
            bare.len()
        }
    }
}

/// Two routes may lead to the same place of an upstream only if they let the same callers in: either would be a way
/// around the other.
fn one_access_for_each_seen_path(routes: &[Route], lines: &[Range<usize>], wrong: &mut Complaints<'_>) {
    let mut first = HashMap::new();
    for (route, line) in routes.iter().zip(lines) {
        let seen = route.seen_path();
        let (other, other_line) = first.entry((route.upstream, seen)).or_insert((route, line));
        if other.access != route.access || other.methods != route.methods {
            let (seen, line_before) = (if seen.is_empty() { "/" } else { seen }, wrong.line(other_line));
            let differs = "which has another access or other methods";
            wrong.at(
                line,
                format_args!("the upstream sees {seen:?}, as it does by line {line_before}, {differs}"),
            );
        }
    }
}

/// The path without a slash at its end, so that `/x` and `/x/` are the same entry.
fn path(text: &Spanned<String>, wrong: &mut Complaints<'_>) -> String {
    let path = text.get_ref();
    if !path.starts_with('/') || path.contains('%') || canonical::path(path).is_err() {
        let message =
            "can never be reached: a path is `/` and whole segments, without `%`, `//`, `.` or `..`";
        wrong.at(&text.span(), format_args!("{path:?} {message}"));
    }
    path.strip_suffix('/').unwrap_or(path).to_owned()
}

fn methods(texts: &Spanned<Vec<Spanned<String>>>, wrong: &mut Complaints<'_>) -> Vec<Method> {
    if texts.get_ref().is_empty() {
        wrong.at(&texts.span(), "`methods` is empty, so the route can never be reached");
    }
    let mut methods = Vec::new();
    for text in texts.get_ref() {
        match canonical::METHODS.iter().find(|method| method.as_str() == text.get_ref()) {
            Some(method) if methods.contains(method) => {
                wrong.at(&text.span(), format_args!("{method} is named twice"));
            }
            Some(method) => methods.push(method.clone()),
            None => wrong.at(&text.span(), format_args!("{:?} is no method that is routed", text.get_ref())),
        }
    }
    methods
}
