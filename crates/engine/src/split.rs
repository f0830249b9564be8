//! The native stream's compact form as a format of the store.

use chunkstore::{Format, Joiner, PartSink, SplitError, Splitter, Step};
use fasttransfer::{CompactSink, Compactor, Expander};

/// ExportItems data, split into a compact skeleton and attachment payloads (format number 1; the
/// bytes are described in `fasttransfer`'s compact form).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FtsFormat;

impl FtsFormat {
    /// The stored number of this format.
    pub const ID: u8 = 1;
}

impl Format for FtsFormat {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn splitter(&self) -> Box<dyn Splitter> {
        Box::new(FtsSplitter::default())
    }

    fn joiner(&self) -> Box<dyn Joiner> {
        Box::new(FtsJoiner::default())
    }
}

#[derive(Debug, Default)]
struct FtsSplitter {
    compactor: Compactor,
}

impl Splitter for FtsSplitter {
    fn push(&mut self, input: &[u8], out: &mut dyn PartSink) -> Result<(), SplitError> {
        self.compactor.push(input, &mut Forward(out));
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn PartSink) -> Result<(), SplitError> {
        std::mem::take(&mut self.compactor).finish(&mut Forward(out));
        Ok(())
    }
}

/// Passes the compactor's events on to the store.
struct Forward<'a>(&'a mut dyn PartSink);

impl CompactSink for Forward<'_> {
    fn skeleton(&mut self, bytes: &[u8]) {
        self.0.skeleton(bytes);
    }

    fn payload_start(&mut self) {
        self.0.payload_start();
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.0.payload(bytes);
    }

    fn payload_end(&mut self) {
        self.0.payload_end();
    }
}

#[derive(Debug, Default)]
struct FtsJoiner {
    expander: Expander,
    /// What went wrong where the trait has no way to say so; told at the next opportunity.
    failed: Option<SplitError>,
}

impl FtsJoiner {
    fn note(&mut self, result: Result<(), fasttransfer::Error>) {
        if let Err(error) = result
            && self.failed.is_none()
        {
            self.failed = Some(refused(&error));
        }
    }

    fn check(&self) -> Result<(), SplitError> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

fn refused(error: &fasttransfer::Error) -> SplitError {
    SplitError::new(error.to_string())
}

impl Joiner for FtsJoiner {
    fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, SplitError> {
        self.check()?;
        match self.expander.skeleton(bytes, out) {
            Ok(fasttransfer::Step::NeedMore) => Ok(Step::NeedMore),
            Ok(fasttransfer::Step::Payload { consumed }) => Ok(Step::Payload { consumed }),
            Err(error) => {
                let error = refused(&error);
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.failed.is_none() {
            let result = self.expander.payload(bytes, out);
            self.note(result);
        }
    }

    fn payload_end(&mut self, out: &mut Vec<u8>) {
        let result = self.expander.payload_end(out);
        self.note(result);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SplitError> {
        self.check()?;
        std::mem::take(&mut self.expander)
            .finish(out)
            .map_err(|error| refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use fasttransfer::{Attachment, Message, WriteOptions, tag, write_message};

    use super::*;

    #[derive(Default)]
    struct Parts {
        skeleton: Vec<u8>,
        payloads: Vec<Vec<u8>>,
    }

    impl PartSink for Parts {
        fn skeleton(&mut self, bytes: &[u8]) {
            self.skeleton.extend_from_slice(bytes);
        }

        fn payload_start(&mut self) {
            self.payloads.push(Vec::new());
        }

        fn payload(&mut self, bytes: &[u8]) {
            self.payloads.last_mut().unwrap().extend_from_slice(bytes);
        }

        fn payload_end(&mut self) {}
    }

    fn item(sizes: &[usize]) -> Vec<u8> {
        let mut message = Message::default();
        message.props.set(tag::SUBJECT, "Two plans");
        for size in sizes {
            let mut attachment = Attachment::default();
            let data: Vec<u8> = (0..*size).map(|i| (i * i / 7) as u8).collect();
            attachment.props.set(tag::ATTACH_DATA_BINARY, data);
            message.attachments.push(attachment);
        }
        write_message(&message, &WriteOptions::default())
    }

    fn split(input: &[u8]) -> Parts {
        let mut parts = Parts::default();
        let mut splitter = FtsFormat.splitter();
        for piece in input.chunks(777) {
            splitter.push(piece, &mut parts).unwrap();
        }
        splitter.finish(&mut parts).unwrap();
        parts
    }

    fn join(parts: &Parts) -> Result<Vec<u8>, SplitError> {
        let mut joiner = FtsFormat.joiner();
        let mut out = Vec::new();
        let mut rest = parts.skeleton.as_slice();
        let mut payloads = parts.payloads.iter();
        while let Step::Payload { consumed } = joiner.skeleton(rest, &mut out)? {
            rest = &rest[consumed..];
            for piece in payloads.next().unwrap().chunks(1000) {
                joiner.payload(piece, &mut out);
            }
            joiner.payload_end(&mut out);
        }
        joiner.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn an_item_comes_back_from_its_parts() {
        for sizes in [&[][..], &[100], &[9000, 100_000, 31_680]] {
            let input = item(sizes);
            let parts = split(&input);
            let large = sizes.iter().filter(|size| **size >= 8192).count();
            assert_eq!(parts.payloads.len(), large);
            assert!(join(&parts).unwrap() == input);
        }
        for input in [&b""[..], b"no stream at all"] {
            assert_eq!(join(&split(input)).unwrap(), input);
        }
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused() {
        let mut parts = split(&item(&[50_000]));
        parts.payloads[0].push(0);
        assert!(join(&parts).is_err());
    }

    #[test]
    fn a_cut_skeleton_is_refused() {
        let mut parts = split(&item(&[]));
        parts.skeleton.pop();
        assert!(join(&parts).is_err());
    }
}
