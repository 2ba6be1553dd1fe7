//! A program with one resource, made from its schema alone: what is required, a few of the other fields, an output.
//!
//! `examples/reference` has them all, compiled and run; a test here compares.

use std::collections::BTreeSet;

use phx_aws::terraform::block;
use phx_model::schema::{Field, Kind, Schema};

use super::service_of;

/// So many fields that are not required are shown.
const SHOWN: usize = 3;

/// The program.
pub(super) fn program(schema: &Schema) -> String {
    let mut writer = Writer { service: service_of(schema), imports: BTreeSet::new() };
    let resource = writer.resource(schema);
    let (handle, export) = match schema.outputs.iter().find(|o| matches!(o.name, "id" | "arn")) {
        Some(output) => {
            let handle = snake_case(schema.short_name());
            let export = format!("    stack.export(\"{0}\", {handle}.{0}())?;\n", output.name);
            (format!("let {handle} = "), export)
        }
        None => (String::new(), String::new()),
    };
    writer.import(&format!("aws::{}::{}", writer.service, schema.short_name()));
    let imports = writer.imports();
    format!(
        "{imports}\nfn program(stack: &mut Stack) -> Result<()> {{\n    \
         {handle}stack.add(\n        \"main\",\n        {resource},\n    )?;\n{export}    Ok(())\n}}\n"
    )
}

/// Writes values and keeps what they need.
struct Writer {
    service: &'static str,
    /// Paths within `phx`, or whole ones of the standard library.
    imports: BTreeSet<String>,
}

/// How a value has to be written, for the type that takes it.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Whatever converts: `"text"`.
    Given,
    /// The very type: `"text".to_owned()`.
    Exact,
}

impl Writer {
    fn import(&mut self, path: &str) {
        self.imports.insert(path.to_owned());
    }

    /// `use` lines: the standard library's first, then phx's, its prelude last.
    fn imports(&self) -> String {
        let (std, phx): (Vec<_>, Vec<_>) = self.imports.iter().partition(|path| path.starts_with("std::"));
        let mut text: String = std.iter().map(|path| format!("use {path};\n")).collect();
        if !std.is_empty() {
            text.push('\n');
        }
        // Types of one module stand together.
        let mut modules: Vec<(&str, Vec<&str>)> = Vec::new();
        for path in phx {
            let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
            match modules.iter_mut().find(|(known, _)| *known == module) {
                Some((_, names)) => names.push(name),
                None => modules.push((module, vec![name])),
            }
        }
        for (module, names) in modules {
            let names = if let [one] = names[..] { one.to_owned() } else { format!("{{{}}}", names.join(", ")) };
            text += &format!("use phx::{module}::{names};\n");
        }
        text + "use phx::prelude::*;\n"
    }

    fn resource(&mut self, schema: &Schema) -> String {
        let required: Vec<String> =
            schema.fields.iter().filter(|f| f.required).map(|f| self.value(f, schema, Form::Given)).collect();
        let mut text = call(schema.short_name(), &required);
        for field in shown(schema.fields) {
            text += &format!("\n            .{}({})", raw(field.name), self.value(field, schema, Form::Given));
        }
        if schema.tagged() {
            text += "\n            .tag(\"Name\", \"main\")";
        }
        text
    }

    fn value(&mut self, field: &Field, schema: &Schema, form: Form) -> String {
        self.of_kind(&field.kind, field.rust, field, schema, form)
    }

    fn of_kind(&mut self, kind: &Kind, rust: &str, field: &Field, schema: &Schema, form: Form) -> String {
        match kind {
            Kind::Bool => "true".to_owned(),
            Kind::Int => format!("{}{}", number(field), if rust == "i64" { "_i64" } else { "" }),
            Kind::Float => "1.0".to_owned(),
            Kind::String => {
                let text = format!("{:?}", text(field, schema));
                if form == Form::Exact { text + ".to_owned()" } else { text }
            }
            Kind::Id("Arn") => {
                self.import("aws::Arn");
                format!("Arn::new({:?})", arn(field.name))
            }
            Kind::Id(name) => {
                self.import(&format!("aws::ids::{name}"));
                format!("{name}::new({:?})", id(name, field.name))
            }
            Kind::Ipv4Cidr => "\"10.0.0.0/16\".parse::<Ipv4Cidr>()?".to_owned(),
            Kind::Json => {
                self.import("model::value::Json");
                format!("Json::parse(r#\"{}\"#)?", json(field))
            }
            Kind::List(inner) => {
                let inner_rust = argument(rust);
                // A list of lists takes lists, and a list of numbers the very kind of number.
                let inner_form = if matches!(inner, Kind::List(_)) { Form::Exact } else { form };
                let value = self.of_kind(inner, inner_rust, field, schema, inner_form);
                let value = if matches!(inner, Kind::Int) && inner_rust == "i32" { value + "_i32" } else { value };
                if form == Form::Exact { format!("vec![{value}]") } else { format!("[{value}]") }
            }
            Kind::Map(inner) => {
                self.import("std::collections::BTreeMap");
                let value = self.of_kind(inner, argument(rust), field, schema, Form::Exact);
                format!("BTreeMap::from([(\"key\".to_owned(), {value})])")
            }
            Kind::Block(parts) => self.block(parts, rust, schema),
        }
    }

    fn block(&mut self, parts: &[Field], rust: &str, schema: &Schema) -> String {
        self.import(&format!("aws::{}::{rust}", self.service));
        let name = rust.rsplit("::").next().unwrap_or(rust);
        let required: Vec<String> =
            parts.iter().filter(|f| f.required).map(|f| self.value(f, schema, Form::Given)).collect();
        let mut text = format!("{name}::new({})", required.join(", "));
        // An empty block says nothing.
        if required.is_empty()
            && let Some(first) = parts.iter().find(|f| block(&f.kind).is_none()).or(parts.first())
        {
            text += &format!(".{}({})", raw(first.name), self.value(first, schema, Form::Given));
        }
        text
    }
}

/// `Type::new(…)`, each argument on a line of its own if one line is too short.
fn call(name: &str, arguments: &[String]) -> String {
    let short = format!("{name}::new({})", arguments.join(", "));
    if short.len() <= 100 {
        return short;
    }
    let lines: String = arguments.iter().map(|argument| format!("            {argument},\n")).collect();
    format!("{name}::new(\n{lines}        )")
}

/// The fields that are shown beside the required ones: the first plain ones, and the first block that is not large.
fn shown(fields: &'static [Field]) -> Vec<&'static Field> {
    let optional = || fields.iter().filter(|f| !f.required && f.name != "tags");
    // What excludes another field, as far as the comment says so, might not be taken together with it.
    let alone = |f: &&Field| {
        ["ither this", "in place of", "In place of", "ot with", "another way"].iter().all(|no| !f.doc.contains(no))
    };
    let plain =
        optional().filter(|f| block(&f.kind).is_none() && !f.secret && !matches!(f.kind, Kind::Map(_))).filter(alone);
    let small = |f: &&Field| block(&f.kind).is_some_and(|parts| parts.iter().all(|p| block(&p.kind).is_none()));
    let mut chosen: Vec<&Field> = optional().find(small).into_iter().collect();
    let rest = SHOWN - chosen.len();
    chosen.extend(plain.take(rest));
    chosen.sort_by_key(|chosen| fields.iter().position(|f| f.name == chosen.name));
    chosen
}

/// `T`, of `Vec<T>` and of `BTreeMap<String,T>`.
fn argument(rust: &str) -> &str {
    let inside = rust.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(rust);
    inside.strip_prefix("String,").unwrap_or(inside)
}

/// A word that Rust has a meaning for cannot be called by itself.
fn raw(name: &str) -> String {
    let keyword =
        matches!(name, "type" | "match" | "ref" | "static" | "move" | "use" | "where" | "enum" | "final" | "as" | "in");
    if keyword { format!("r#{name}") } else { name.to_owned() }
}

/// The code that stands in a comment: `` `ipv4` or `ipv6` `` has two.
fn codes(comment: &str) -> impl Iterator<Item = &str> {
    comment.split('`').skip(1).step_by(2)
}

/// A text that fits: what the comment gives as an example, unless that is another field, or what the name suggests.
fn text(field: &Field, schema: &Schema) -> String {
    let known =
        |word: &str| schema.fields.iter().any(|f| f.name == word || block(&f.kind).is_some_and(|b| part(b, word)));
    fn part(parts: &[Field], word: &str) -> bool {
        parts.iter().any(|f| f.name == word || block(&f.kind).is_some_and(|inner| part(inner, word)))
    }
    let fits = |word: &&str| {
        word.chars().filter(|c| c.is_alphanumeric()).count() > 1
            && !known(word)
            && !word.contains("::")
            && !word.starts_with('.')
            && !word.ends_with(['-', '/', ':', '*'])
    };
    if !field.secret
        && let Some(word) = codes(field.doc).find(fits)
    {
        return word.to_owned();
    }
    let name = field.name;
    let ends = |with: &str| name.ends_with(with);
    match () {
        () if field.secret => "kept from view",
        () if ends("description") || ends("comment") => "An example",
        () if ends("availability_zone") => "us-west-2a",
        () if ends("region") => "us-west-2",
        () if name == "account" || ends("account_id") || ends("owner_id") => "123456789012",
        () if ends("url") || ends("endpoint") => "https://example.com",
        () if ends("cidr_block") => "10.0.0.0/16",
        () => "main",
    }
    .to_owned()
}

/// A number that fits: the first one that the comment says, or 1.
fn number(field: &Field) -> i64 {
    let words = field.doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter_map(|word| word.trim_end_matches('.').parse().ok()).find(|n| *n > 0).unwrap_or(1)
}

/// A JSON document that fits: what the comment gives as an example, or what the name suggests.
fn json(field: &Field) -> &str {
    let document = |word: &&str| word.starts_with('{') && serde_json::from_str::<serde_json::Value>(word).is_ok();
    if let Some(document) = codes(field.doc).find(document) {
        return document;
    }
    if field.name.contains("assume_role") {
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#
    } else if field.name.contains("policy") {
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#
    } else {
        "{}"
    }
}

/// An id of a kind, in the form that AWS gives it.
fn id(kind: &str, field: &str) -> String {
    let prefix = match kind {
        "VpcId" => "vpc",
        "SubnetId" => "subnet",
        "SecurityGroupId" => "sg",
        "RouteTableId" => "rtb",
        "InternetGatewayId" => "igw",
        "EgressOnlyInternetGatewayId" => "eigw",
        "NatGatewayId" => "nat",
        "AllocationId" => "eipalloc",
        "NetworkInterfaceId" => "eni",
        "InstanceId" => "i",
        "VolumeId" => "vol",
        "LaunchTemplateId" => "lt",
        "PrefixListId" => "pl",
        "IpamPoolId" => "ipam-pool",
        "DhcpOptionsId" => "dopt",
        "CustomerGatewayId" => "cgw",
        "VpnGatewayId" => "vgw",
        "TransitGatewayId" => "tgw",
        "VpcEndpointId" => "vpce",
        "VpcPeeringConnectionId" => "pcx",
        "NetworkAclId" => "acl",
        "CarrierGatewayId" => "cagw",
        "LocalGatewayId" => "lgw",
        _ => return "main".to_owned(),
    };
    // The other one of two is another one.
    let number = if field.starts_with("peer") { "4e5f6a7b" } else { "0a1b2c3d" };
    format!("{prefix}-{number}")
}

/// An ARN that fits a field of this name.
fn arn(name: &str) -> &'static str {
    let has = |word: &str| name.contains(word);
    match () {
        () if has("role") || has("principal") => "arn:aws:iam::123456789012:role/example",
        () if has("policy") || has("boundary") => "arn:aws:iam::aws:policy/ReadOnlyAccess",
        () if has("topic") || has("notification") || has("actions") => "arn:aws:sns:us-west-2:123456789012:example",
        () if has("kms") || has("key") => "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        () if has("certificate") => {
            "arn:aws:acm:us-west-2:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
        }
        () if has("queue") || has("dead_letter") => "arn:aws:sqs:us-west-2:123456789012:example",
        () if has("bucket") => "arn:aws:s3:::example",
        () if has("load_balancer") => {
            "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/example/50dc6c495c0c9188"
        }
        () if has("target_group") => {
            "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/example/73e2d6bc24d8a067"
        }
        () if has("secret") => "arn:aws:secretsmanager:us-west-2:123456789012:secret:example-a1b2c3",
        () if has("log") => "arn:aws:logs:us-west-2:123456789012:log-group:example",
        () => "arn:aws:lambda:us-west-2:123456789012:function:example",
    }
}

/// `internet_gateway`, of `InternetGateway`.
pub(super) fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}
