//! What happens to a request, from its head to its answer: the stages, in their order.
//!
//! Each stage is a function of its own in [`crate::pipeline`]; this is the page that says in which order they are
//! asked, and that whatever they say, the answer carries an id, the origin's rights and, at the end, a farewell.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, TE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use identity::names;

use crate::config::{Access, Config, Route};
use crate::error::Rejection;
use crate::pipeline::authenticate::{self, Unauthenticated};
use crate::pipeline::body::{RequestBody, ResponseBody};
use crate::pipeline::canonical::NotCanonical;
use crate::pipeline::client::Client;
use crate::pipeline::cors::{self, Cors};
use crate::pipeline::forward::forward;
use crate::pipeline::identify::{Caller, Identity};
use crate::pipeline::match_route::Routes;
use crate::pipeline::observe::{Arrival, Exchange};
use crate::pipeline::principal::Principal;
use crate::pipeline::strip::Behind;
use crate::pipeline::trace::{self, Trace};
use crate::pipeline::upgrade::Handshake;
use crate::pipeline::{ask, authorize, canonical, https, limit, rewrite};
use crate::rates::RateTable;
use crate::runtime::connection::Peer;
use crate::runtime::core::{Core, Purpose};
use crate::runtime::metrics::TokenResult;
use crate::runtime::tunnel::Tunnel;
use crate::tokens::{Found, Tokens, Unverified, Verified};
use crate::under_way::{Overloaded, Room, UnderWay};

static ANONYMOUS: Principal = Principal::anonymous();

/// One generation of the configuration, shared by all cores; nothing of it changes but what is known of
/// tokens and callers, and what is under way.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) callers: Arc<RateTable>,
    pub(crate) under_way: Arc<UnderWay>,
    routes: Routes,
    behind: Behind,
    /// For the whole process, and by route.
    room: Option<Room>,
    route_rooms: Vec<Option<Room>>,
    /// For all routes, and by route where it has its own.
    cors: Cors,
    route_cors: Vec<Option<Cors>>,
    /// By upstream.
    identities: Vec<Identity>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Prepares a checked configuration for requests.
    pub fn new(
        config: Config,
        tokens: Arc<Tokens>,
        callers: Arc<RateTable>,
        under_way: Arc<UnderWay>,
    ) -> Self {
        let route_room = |route: &Route| route.concurrency.map(|most| under_way.route(&route.path, most));
        let is_auth = |index| config.tokens.upstream.is_some_and(|auth| auth.0 == index);
        let identity =
            |(index, name): (usize, &str)| Identity::new(name, &config.identity_key, is_auth(index));
        let names = config.upstreams.iter().map(|upstream| upstream.name.as_str());
        Self {
            tokens,
            callers,
            room: config.limits.requests.map(|most| under_way.all(most)),
            route_rooms: config.routes.iter().map(route_room).collect(),
            under_way,
            behind: Behind::new(&config.routes, config.upstreams.len()),
            routes: Routes::new(config.routes.iter().cloned()),
            cors: Cors::new(&config.cors),
            route_cors: config.routes.iter().map(|route| route.cors.as_ref().map(Cors::new)).collect(),
            identities: names.enumerate().map(identity).collect(),
            config,
        }
    }

    /// Which origins may call: this route's own, or else everybody's.
    fn cors(&self, route: Option<&Route>) -> &Cors {
        route.and_then(|route| self.route_cors[route.id].as_ref()).unwrap_or(&self.cors)
    }
}

/// Answers one request.
pub async fn handle(core: &Rc<Core>, peer: &Peer, request: Request<Incoming>) -> Response<ResponseBody> {
    let gateway = &*core.gateway;
    let (mut parts, incoming) = request.into_parts();
    let multiplexed = parts.version == Version::HTTP_2;
    // Over HTTP/1.1 hyper sees to it that no content follows.
    let is_head = multiplexed && parts.method == Method::HEAD;
    let asks = peer.purpose == Purpose::Verify;
    let restored = if asks { ask::restore(&mut parts) } else { Ok(()) };
    let (instant, number) = peer.watch.request_started();
    let arrival = Arrival { instant, time: SystemTime::now() };
    let body = RequestBody::new(incoming, &peer.watch, number);
    let client =
        Client::of(peer.address, peer.shown.is_some(), &parts.headers, &gateway.config.trusted_proxies);
    let request_id = client.request_id(&parts.headers).cloned().unwrap_or_else(|| core.ids.next());
    let origin = cors::origin(&parts.headers).cloned();
    let head = (&parts.method, &parts.uri);
    let sample = gateway.config.tracing.as_ref().map(|tracing| tracing.sample);
    let trace = Trace::of(&parts.headers, client.behind_proxy, sample, &core.trace_ids);
    let mut exchange = Exchange::begin(core, &peer.watch, arrival, head, client.address, request_id, trace);

    let readable = if asks { restored.and_then(|()| ask::admit(&client)) } else { Ok(()) };
    let answer = match readable {
        Ok(()) => pass(core, peer, parts, body, &client, arrival, &mut exchange).await,
        Err(question) => Err(question.into()),
    };
    let mut answer = answer.unwrap_or_else(|rejection| {
        core.metrics.refused(&rejection);
        let refused = refuse(&rejection, &mut exchange);
        if asks { ask::refusal(refused) } else { refused }.map(ResponseBody::whole)
    });

    let headers = answer.headers_mut();
    headers.insert(&names::REQUEST_ID, exchange.request_id().clone());
    gateway.cors(exchange.route()).decorate(origin.as_ref(), headers);
    if https::wants_hsts(gateway.config.mode, &client) {
        let (name, value) = https::HSTS;
        headers.insert(name, value);
    }
    exchange.answered(answer.status());
    if let Some(switched) = answer.body_mut().take_switched() {
        peer.tunnel.replace(Some(Tunnel::new(switched, exchange)));
        return answer;
    }
    // HTTP/2 knows no such header, and has GOAWAY.
    if !multiplexed && (core.is_draining() || peer.watch.is_undrained()) {
        answer.headers_mut().insert(CONNECTION, const { HeaderValue::from_static("close") });
    }
    answer.map(|body| if is_head { ResponseBody::empty() } else { body }.ending(exchange))
}

/// The stages. Each may refuse; only [`answer`], the last one, speaks to an upstream.
async fn pass(
    core: &Core,
    peer: &Peer,
    mut parts: Parts,
    body: RequestBody,
    client: &Client,
    arrival: Arrival,
    exchange: &mut Exchange,
) -> Result<Response<ResponseBody>, Rejection> {
    let Gateway { config, callers, routes, behind, room, route_rooms, identities, .. } = &*core.gateway;
    let now = arrival.unix_seconds();
    let takes_trailers = parts.version == Version::HTTP_2 && parts.headers.contains_key(TE);
    if parts.version == Version::HTTP_2 {
        canonical::flatten(&mut parts)?;
    }
    canonical::drop_connection_headers(&mut parts.headers)?;
    enter(room.as_ref(), Overloaded::Gateway, exchange)?;
    let path = canonical::request(&parts, &config.hosts)?;
    // A trusted proxy opens its own connections, by whatever name.
    if !client.behind_proxy && !peer.may_ask_for(parts.headers.get(HOST)) {
        return Err(NotCanonical::Misdirected.into());
    }
    https::require(config.mode, client, &parts, path)?;
    let found = routes.at(path);
    if let Ok(found) = &found {
        exchange.routed(found.route.id);
    }
    let cors = core.gateway.cors(exchange.route());
    // A proxy that asks would pass a preflight on: it answers its own.
    if let Some(headers) = cors.preflight(&parts)?.filter(|_| peer.purpose == Purpose::Proxy) {
        return Ok(preflight(headers));
    }
    let route = found?.taking(&parts.method)?;
    if let Some(timeouts) = &route.timeouts {
        peer.watch.limit(timeouts.first_byte, timeouts.idle, arrival.instant);
    }
    limit::address(callers, &route.rates, client.address, arrival.instant)?;
    let handshake = if route.websocket { Handshake::asked(&mut parts, cors, client)? } else { None };
    limit::body(&parts.headers, route.body)?;
    let verified = authenticate(core, &route.access, &parts.headers, now, exchange).await?;
    let principal = verified.as_deref().map_or(&ANONYMOUS, Verified::principal);
    exchange.called_by(principal);
    if let Some(end) = arrival.until(principal.expires_at()) {
        peer.watch.token_ends(end);
    }
    authorize::authorize(&route.access, principal)?;
    limit::caller(callers, &route.rates, principal, arrival.instant)?;
    enter(route_rooms[route.id].as_ref(), Overloaded::Route, exchange)?;
    if let Some(target) = behind.target(route, (&parts.method, &parts.uri), principal)? {
        parts.uri = target;
    }
    exchange.goes_to(route.upstream);
    let identity = &identities[route.upstream.0];
    let caller = Caller { principal, client, request_id: exchange.request_id() };
    if identity.identify(&mut parts, route.forward_authorization, &caller, now) {
        exchange.spoofed();
    }
    if peer.purpose == Purpose::Verify {
        return Ok(ask::answer(&parts.headers));
    }
    trace::pass_on(exchange.trace(), &mut parts.headers);
    rewrite::apply(route.request_headers.as_ref(), &mut parts.headers);
    if let Some(handshake) = &handshake {
        handshake.write(&mut parts.headers);
    }

    let request = Request::from_parts(parts, body.limited(route.body));
    let granted = Granted { route, handshake, verified, takes_trailers };
    answer(core, peer, granted, request, arrival, exchange).await
}

/// A request that may go on to its upstream.
struct Granted<'g> {
    route: &'g Route,
    handshake: Option<Handshake>,
    verified: Option<Arc<Verified>>,
    takes_trailers: bool,
}

/// The last stage: what the upstream answers, without what is not for the client.
async fn answer(
    core: &Core,
    peer: &Peer,
    Granted { route, handshake, verified, takes_trailers }: Granted<'_>,
    request: Request<RequestBody>,
    arrival: Arrival,
    exchange: &mut Exchange,
) -> Result<Response<ResponseBody>, Rejection> {
    let Gateway { config, identities, .. } = &*core.gateway;
    let (upstream, connect) = (core.upstream(route.upstream), config.timeouts.connect);
    let (wish, now) = (handshake.as_ref(), arrival.instant);
    let sent = forward(upstream, request, wish, takes_trailers, &peer.watch, connect, now);
    let failed = |error| core.failed(route.upstream, &error, exchange.request_id());
    let (mut answer, answerer) = sent.await.map_err(failed)?;
    exchange.answered_by(answerer);
    if let Some(verified) = verified {
        peer.watch.answers(verified);
    }
    let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    identities[route.upstream.0].clean_answer(headers);
    cors::strip(headers);
    rewrite::apply(route.response_headers.as_ref(), headers);
    if let Some(handshake) = handshake.filter(|_| switches) {
        handshake.complete(headers);
    }
    Ok(answer)
}

/// Counts the exchange among what is under way, where there is a limit to that.
fn enter(room: Option<&Room>, full: Overloaded, exchange: &mut Exchange) -> Result<(), Overloaded> {
    if let Some(room) = room {
        exchange.holds(room.enter().ok_or(full)?);
    }
    Ok(())
}

/// Stage four: a token that is presented is verified; a route that reads none knows nobody.
async fn authenticate(
    core: &Core,
    access: &Access,
    headers: &HeaderMap,
    now: i64,
    exchange: &mut Exchange,
) -> Result<Option<Arc<Verified>>, Rejection> {
    let Some(token) = authenticate::presented(access, headers)? else { return Ok(None) };
    let verified = core.gateway.tokens.verify(token, now).await;
    exchange.token(match &verified {
        Ok((_, Found::Known)) => TokenResult::Known,
        Ok((_, Found::Checked)) => TokenResult::Checked,
        Err(Unverified::Revoked) => TokenResult::Revoked,
        Err(_) => TokenResult::Refused,
    });
    match verified {
        // After the token itself: what is bad in any case is 401, whatever else is not known.
        Ok(_) if core.gateway.tokens.revocations().are_in_doubt() => Err(Rejection::InDoubt),
        Ok((verified, _)) => Ok(Some(verified)),
        Err(Unverified::Revoked) => Err(Unauthenticated::Revoked.into()),
        Err(Unverified::Refused(refusal)) => Err(Unauthenticated::Refused(refusal).into()),
        Err(Unverified::NoKeys) => Err(Rejection::NoKeys),
    }
}

fn preflight(headers: HeaderMap) -> Response<ResponseBody> {
    let mut answer = Response::new(ResponseBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    *answer.headers_mut() = headers;
    answer
}

fn refuse(rejection: &Rejection, exchange: &mut Exchange) -> Response<Bytes> {
    let problem = rejection.problem();
    exchange.refused(problem.code);
    problem.response(exchange.request_id().to_str().unwrap_or_default())
}
