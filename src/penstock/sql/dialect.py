"""BigQuery's SQL with its machine learning statements, parsed: what sqlglot lacks of them is added here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, TokenError
from sqlglot.generators.bigquery import BigQueryGenerator
from sqlglot.parsers.bigquery import BigQueryParser
from sqlglot.tokenizer_core import Token, TokenType

from penstock.errors import SqlError
from penstock.sql.refusals import ACCEPTED, refuse_other_statements
from penstock.sql.rewriting import written_out

_FORMATTED = [f"{verb}_{type}" for verb in ("FORMAT", "PARSE") for type in ("DATE", "DATETIME", "TIME", "TIMESTAMP")]
_OF_JSON = [name for name in BigQueryParser.FUNCTIONS if "JSON" in name]
# Of these sqlglot would make other functions, formats and paths.
_KEPT_AS_WRITTEN = ("MOD", "DIV", "LOG10", "FORMAT", *_FORMATTED, *_OF_JSON)


def _with_word(arguments: list[exp.Expr]) -> exp.Anonymous:
    """Read NORMALIZE_AND_CASEFOLD(x, NFKC), whose form is a word and no column."""
    return exp.Anonymous(
        this="NORMALIZE_AND_CASEFOLD", expressions=[*arguments[:1], *(exp.var(word.name) for word in arguments[1:])]
    )


class MachineLearningTable(exp.Expression):
    """`ML.<name>(MODEL model, rows, settings)` in a FROM clause.

    `this` is the name in capitals; `rows` are queries; `settings` are structs, `name => value`, and values alone.
    """

    arg_types: ClassVar = {"this": True, "model": False, "rows": False, "settings": False}


class ShowNames(exp.Expression):
    """`SHOW TABLES` or `SHOW MODELS`. `this` is the word."""

    arg_types: ClassVar = {"this": True}


class DescribeNamed(exp.Expression):
    """`DESCRIBE TABLE name` or `DESCRIBE MODEL name`. `this` is the name, `kind` the word."""

    arg_types: ClassVar = {"this": True, "kind": True}


class AlterModelOptions(exp.Expression):
    """`ALTER MODEL [IF EXISTS] name SET OPTIONS(...)`. `expressions` are `name = value`."""

    arg_types: ClassVar = {"this": True, "exists": False, "expressions": True}


class ExportModelNode(exp.Expression):
    """`EXPORT MODEL name OPTIONS(...)`. `expressions` are `name = value`."""

    arg_types: ClassVar = {"this": True, "expressions": True}


def _table_function(generator: BigQueryGenerator, node: MachineLearningTable) -> str:
    """Write `ML.<name>(MODEL model, (rows), settings)`."""
    model = [f"MODEL {generator.sql(node, 'model')}"] if node.args.get("model") else []
    rows = [f"({generator.sql(query)})" for query in node.args.get("rows") or ()]
    settings = [generator.sql(setting) for setting in node.args.get("settings") or ()]
    return f"ML.{node.this}({', '.join([*model, *rows, *settings])})"


class _Generator(BigQueryGenerator):
    """Writes table functions of ML as users do: messages show the text that they are about."""

    TRANSFORMS: ClassVar = {**BigQueryGenerator.TRANSFORMS, MachineLearningTable: _table_function}


class Dialect(BigQuery):
    """BigQuery's dialect as its documentation, its users and the talk's slides write it."""

    Generator = _Generator

    class Parser(BigQueryParser):
        """Adds TRANSFORM with a leading SELECT, and every table function of ML."""

        FUNCTIONS: ClassVar = {
            **{name: build for name, build in BigQueryParser.FUNCTIONS.items() if name not in _KEPT_AS_WRITTEN},
            "NORMALIZE_AND_CASEFOLD": _with_word,
        }
        PROPERTY_PARSERS: ClassVar = {
            **BigQueryParser.PROPERTY_PARSERS,
            "TRANSFORM": lambda self: self.parse_transform(),
        }

        STATEMENT_PARSERS: ClassVar = {
            **BigQueryParser.STATEMENT_PARSERS,
            TokenType.SHOW: lambda self: self.parse_show(),
            TokenType.DESCRIBE: lambda self: self.parse_describe(),
            TokenType.ALTER: lambda self: self.parse_alter(),
            TokenType.EXPORT: lambda self: self.parse_export(),
        }

        def parse_show(self) -> ShowNames:
            """Parse what stands after SHOW; `refuse_other_statements` has seen that it is TABLES or MODELS."""
            self._advance()
            return self.expression(ShowNames(this=self._prev.text.upper()))

        def parse_alter(self) -> AlterModelOptions:
            """Parse what stands after ALTER; `refuse_other_statements` has seen that it is MODEL."""
            self._advance()
            exists = self._parse_exists()
            name = self._parse_table_parts()
            if not self._match_text_seq("SET"):
                self.raise_error("ALTER MODEL goes on with SET OPTIONS(...)")
            return self.expression(AlterModelOptions(this=name, exists=exists, expressions=self._options()))

        def parse_export(self) -> ExportModelNode:
            """Parse what stands after EXPORT; `refuse_other_statements` has seen that it is MODEL."""
            self._advance()
            return self.expression(ExportModelNode(this=self._parse_table_parts(), expressions=self._options()))

        def _options(self) -> list[exp.Expr]:
            if not self._match_text_seq("OPTIONS"):
                self.raise_error("here stands OPTIONS(name = value, ...)")
            return self._parse_wrapped_csv(self._parse_disjunction)

        def _parse_ddl_select(self) -> exp.Expr | None:
            """Take the query out of `AS (training_data AS (...))`."""
            ahead = [token.token_type for token in self._tokens[self._index : self._index + 4]]
            if ahead[2:] != [TokenType.ALIAS, TokenType.L_PAREN] or ahead[:1] != [TokenType.L_PAREN]:
                return super()._parse_ddl_select()
            named = self._parse_wrapped_csv(self._parse_cte)
            other = next((query for query in named if query.alias.lower() != "training_data"), None)
            if other is not None:
                self.raise_error(f"of the queries of AS (...) only training_data is in penstock, not {other.alias}")
            return named[0].this if named else None

        def parse_describe(self) -> DescribeNamed:
            """Parse what stands after DESCRIBE."""
            self._advance()
            kind = self._prev.text.upper()
            return self.expression(DescribeNamed(this=self._parse_table_parts(), kind=kind))

        def parse_transform(self) -> exp.TransformModelProperty:
            """Parse `(SELECT a, b AS c)` or `(a, b AS c)`."""
            self._match_l_paren()
            self._match(TokenType.SELECT)
            properties = self.expression(exp.TransformModelProperty(expressions=self._parse_expressions()))
            self._match_r_paren()
            return properties

        def _parse_table(self, *args: object, **kwargs: object) -> exp.Expr | None:
            if not self._is_machine_learning_table():
                table = super()._parse_table(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
                return self._parse_elements(table) if isinstance(table, exp.Table) else table
            table = self._parse_machine_learning_table()
            alias = self._parse_table_alias(alias_tokens=self.TABLE_ALIAS_TOKENS)
            return self.expression(exp.Table(this=table, alias=alias))

        def _parse_elements(self, table: exp.Table) -> exp.Expr:
            """Parse the WITH OFFSET after `t.items AS item`, which is UNNEST(t.items)."""
            if not (table.args.get("db") and self._match_pair(TokenType.WITH, TokenType.OFFSET)):
                return table
            self._match(TokenType.ALIAS)
            offset = self._parse_id_var(any_token=False, tokens=self.UNNEST_OFFSET_ALIAS_TOKENS)
            alias = exp.TableAlias(columns=[table.args["alias"].this]) if table.alias else None
            table.set("alias", None)
            array = table.to_column()
            return self.expression(
                exp.Unnest(expressions=[array], alias=alias, offset=offset or exp.to_identifier("offset"))
            )

        def _is_machine_learning_table(self) -> bool:
            ahead = self._tokens[self._index : self._index + 4]
            return (
                len(ahead) == 4
                and ahead[0].text.upper() == "ML"
                and ahead[1].token_type == TokenType.DOT
                and ahead[3].token_type == TokenType.L_PAREN
            )

        def _parse_machine_learning_table(self) -> MachineLearningTable:
            name = self._tokens[self._index + 2]
            self._advance(3)
            self._match_l_paren()
            table = self.expression(MachineLearningTable(this=name.text.upper())).update_positions(name)
            while self._curr and self._curr.token_type != TokenType.R_PAREN:
                self._parse_machine_learning_argument(table)
                if not self._match(TokenType.COMMA):
                    break
            self._match_r_paren()
            return table

        def _parse_machine_learning_argument(self, table: MachineLearningTable) -> None:
            if self._match_text_seq("MODEL"):
                table.set("model", self._parse_table_parts())
            elif self._match(TokenType.TABLE):
                table.append(
                    "rows", exp.Select(expressions=[exp.Star()], from_=exp.From(this=self._parse_table_parts()))
                )
            elif self._match(TokenType.L_PAREN, advance=False):
                table.append("rows", self._parse_rows())
            else:
                table.append("settings", self._parse_lambda())

        def _parse_rows(self) -> exp.Expr | None:
            """Parse `(SELECT ...)`, or the slide's bare list `(350 AS duration, ...)`: one row of constants."""
            inside = (token for token in self._tokens[self._index :] if token.token_type != TokenType.L_PAREN)
            if next(inside).token_type in (TokenType.SELECT, TokenType.WITH):
                return self._parse_select(nested=True)
            self._match_l_paren()
            rows = self.expression(exp.Select(expressions=self._parse_expressions()))
            self._match_r_paren()
            return rows


def parse_statements(text: str) -> list[tuple[exp.Expr, str]]:
    """Return the syntax tree and the text of each statement; `SqlError` says where one that is none goes wrong."""
    tokens = _tokens(text)
    split = _split(tokens)
    for statement in split:
        refuse_other_statements([token.text.upper() for token in statement[:4]], _position(text, statement[0].start))
    try:
        trees = Dialect().parser(error_level=sqlglot.ErrorLevel.IMMEDIATE).parse(tokens, text)
    except ParseError as error:
        raise SqlError(_explain(error, text)) from None
    except RecursionError:
        raise SqlError(f"the SQL text is nested too deeply to be read: {_shorten(text)}") from None
    found = [written_out(tree) for tree in trees if tree is not None]
    if not found:
        raise SqlError(f"there is no statement in the SQL text; {ACCEPTED}")
    return list(zip(found, (text[part[0].start : part[-1].end + 1] for part in split), strict=True))


def parse_query(text: str) -> exp.Query:
    """Return the syntax tree of a text that is one query."""
    (tree, _), *others = parse_statements(text)
    if others or not isinstance(tree, exp.Query):
        raise SqlError(f"this is not one query: {_shorten(text)}")
    return tree


def after_as(text: str) -> str:
    """Return what stands after the AS of a CREATE statement, as it is written."""
    depth = 0
    tokens = _tokens(text)
    for position, token in enumerate(tokens):
        depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
        if depth == 0 and token.token_type == TokenType.ALIAS:
            return text[tokens[position + 1].start :]
    return ""


def is_whole(text: str) -> bool:
    """Tell whether a text ends with a statement that is closed by a semicolon; quotes and comments are seen through."""
    try:
        tokens = _tokens(text)
    except SqlError:
        return False  # a quote or a comment is still open
    return not tokens or tokens[-1].token_type == TokenType.SEMICOLON


def is_machine_learning(node: exp.Expr) -> bool:
    """Tell whether a node is a function written `ML.name(...)`."""
    return isinstance(node, exp.Dot) and isinstance(node.this, exp.Identifier) and node.this.name.upper() == "ML"


def place(node: exp.Expr) -> str:
    """Return " at line:column" of the first character of `node`, or "" for a node that no text stands for."""
    found = [part.meta for part in node.walk() if "start" in part.meta]
    if not found:
        return ""
    first = min(found, key=lambda meta: int(meta["start"]))
    return f" at {first['line']}:{first['col'] - (first['end'] - first['start'])}"


def _tokens(text: str) -> list[Token]:
    try:
        return Dialect().tokenize(text)
    except TokenError as error:
        missing = re.match(r"Missing (\S+) from (\d+):(\d+)", str(error.__cause__))
        what = f"the {missing[1]} opened at {missing[2]}:{missing[3]} is" if missing else "a quote or a comment is"
        raise SqlError(f"cannot read the SQL text: {what} never closed, in {_shorten(text)}") from None


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _position(text: str, offset: int) -> str:
    before = text[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - (before.rfind(chr(10)) + 1) + 1}"


def _shorten(text: str) -> str:
    words = " ".join(text.split())
    return repr(words if len(words) <= 60 else f"{words[:57]}...")


def _in_our_words(said: str) -> str:
    """Take sqlglot's names of classes and tokens out of what it says."""
    said = re.sub(r"Required keyword: '\w+' missing for <class '[\w.]*\.(\w+)'>", r"\1 is not complete", said)
    said = re.sub(r"<Token token_type: TokenType.SENTINEL.*>", "the end of the text", said)
    return re.sub(r"<Token token_type: \S+ text: (.*?), line: .*>", r"'\1'", said)


def _explain(error: ParseError, text: str) -> str:
    """Say in one line what sqlglot found wrong, where, and with which words around it."""
    [detail, *_] = error.errors
    line, column = int(detail["line"]), int(detail["col"])
    highlight = detail["highlight"] or ""
    before = (detail["start_context"] or "").split("\n")[-1][-40:]
    after = (detail["end_context"] or "").split("\n")[0][:20]
    what = _in_our_words(str(detail["description"]).rstrip("."))
    start = max(column - len(highlight) + 1, 1)
    return f"cannot read the SQL text at {line}:{start}, near {(before + highlight + after).strip()!r}: {what}"
