//! What is overdue on a connection, by what its [`Watch`] has noted. All that changes here is what was found,
//! and where a window of the rate ends.

use std::time::Instant;

use super::{Client, Expired, RATE_WINDOW, Rate, Upload, Verdict, Watch};

impl Watch {
    pub(super) fn judge(&self, now: Instant) -> Verdict {
        let next = now + self.tick();
        let idle = self.limits.get().idle;
        let connection = [self.client_deadline(), self.write.get().map(|since| since + idle)];
        if connection.iter().flatten().any(|&deadline| deadline <= now) {
            return Verdict::Close;
        }
        if self.write.get().is_some() && matches!(self.expired.get(), Some(Expired::Token | Expired::Revoked))
        {
            // It was told, and does not read: hyper asks for no more of the answer that would end it.
            return Verdict::Close;
        }
        self.close_rate_window(now);
        let overdue = self.exchange_deadlines().into_iter().flatten().find(|&(deadline, _)| deadline <= now);
        match overdue {
            // Nobody is left to be told, also if the answer was about this: what is still stuck ends here.
            Some(_) if self.answered.get() => return Verdict::Close,
            Some((_, expired)) if self.expired.get().is_none() => {
                self.expired.set(Some(expired));
                return Verdict::Expired(next);
            }
            _ => {}
        }
        let deadlines = self.exchange_deadlines().into_iter().flatten().map(|(deadline, _)| deadline);
        let earliest =
            deadlines.chain(connection.into_iter().flatten()).filter(|&deadline| deadline > now).min();
        Verdict::Fine(earliest.map_or(next, |deadline| deadline.min(next)))
    }

    fn client_deadline(&self) -> Option<Instant> {
        match self.client.get() {
            Client::Idle(since) | Client::Resting(since) if self.gives_way.get() => Some(since),
            Client::Idle(since) | Client::Resting(since) => Some(since + self.common.idle),
            Client::Head(since) => Some(since + self.common.head),
            Client::Busy => None,
        }
    }

    pub(super) fn exchange_deadlines(&self) -> [Option<(Instant, Expired)>; 4] {
        let limits = self.limits.get();
        let token = self.token_end.get().filter(|_| self.streaming.get()).map(|end| (end, Expired::Token));
        if self.duplex.get() {
            return [
                None,
                None,
                self.stillness().map(|since| (since + limits.idle, Expired::Download)),
                token,
            ];
        }
        let (upload, uploading) = match self.upload.get() {
            Upload::Done => (None, false),
            Upload::Sending(since) => (Some((since + limits.idle, Expired::UploadStalled)), true),
            Upload::Receiving(since) => (Some((self.upload_deadline(since), Expired::Upload)), true),
        };
        let first_byte = self.first_byte.get().filter(|_| !uploading);
        [
            upload,
            first_byte.map(|since| (since + limits.first_byte, Expired::FirstByte)),
            self.download.get().map(|since| (since + limits.idle, Expired::Download)),
            token,
        ]
    }

    /// Since when neither body has moved, if the answer is waited for.
    fn stillness(&self) -> Option<Instant> {
        let answer = self.download.get()?;
        match self.upload.get() {
            Upload::Done => Some(answer),
            Upload::Sending(since) | Upload::Receiving(since) => Some(answer.max(since)),
        }
    }

    /// A body is overdue when nothing moves, or when a whole window of waiting brought too little.
    fn upload_deadline(&self, since: Instant) -> Instant {
        let rate = self.upload_rate.get();
        let idle = since + self.limits.get().idle;
        if rate.is_enough(self.common.min_rate) {
            return idle;
        }
        idle.min(since + rate.before + RATE_WINDOW.saturating_sub(rate.waited))
    }

    /// A window that brought enough ends, and the next one is judged for itself.
    fn close_rate_window(&self, now: Instant) {
        let Upload::Receiving(since) = self.upload.get() else { return };
        let rate = self.upload_rate.get();
        if rate.is_enough(self.common.min_rate) && rate.waited_until(now, since) >= RATE_WINDOW {
            self.upload_rate.set(Rate { before: now - since, ..Rate::default() });
        }
    }
}
