"""What a request asks for beside its text: options over the configuration, checked against what there is.

Every refusal names the valid choices. Nothing here has state.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from promptd.config import Config
from promptd.core.assembly.skeleton import ImportRules, Rules
from promptd.core.optimise.records import Aims
from promptd.core.optimise.strategies import Strategy, configured, named
from promptd.core.tokens.cost import Model, TokenBudget
from promptd.errors import ConfigError, InvalidParams
from promptd.protocol.request import PLAIN, Options


@dataclass(frozen=True, slots=True)
class EffectiveOptions:
    """A request's options as they are in force."""

    options: Options
    strategy: Strategy
    limit: TokenBudget | None
    model: Model | None

    @property
    def is_plain(self) -> bool:
        """True without a strategy and without a budget."""
        return self.limit is None and self.strategy.is_none


class OptionCatalogue:
    """What a configuration offers. Raises ConfigError for an invalid strategy."""

    def __init__(self, config: Config) -> None:
        tokens = config.tokens
        aims = Aims(reduction=tokens.target_reduction, information=tokens.quality_floor)
        self.config = tokens
        self.strategies: Mapping[str, Strategy] = configured(tokens.strategies, aims)
        self.models = {
            name: Model(
                name,
                model.input,
                model.cached_read,
                model.cache_write,
                model.calibration,
                model.cache_min_tokens,
            )
            for name, model in tokens.models.items()
        }
        if tokens.strategy not in self.strategies:
            listed = ", ".join(self.strategies)
            sentence = f"tokens.strategy: no strategy {tokens.strategy!r}; there are: {listed}"
            raise ConfigError(sentence, key="tokens.strategy")
        self._plain = self._effective(PLAIN)

    def __repr__(self) -> str:
        return f"<OptionCatalogue of {len(self.strategies)} strategies, {len(self.models)} models>"

    def effective(self, options: Options | None) -> EffectiveOptions:
        """The options in force. Raises InvalidParams that names what there is to choose from."""
        return self._plain if options is None else self._effective(options)

    def _effective(self, options: Options) -> EffectiveOptions:
        strategy = named(options.strategy or self.config.strategy, self.strategies)
        return EffectiveOptions(options, strategy, self._limit(options), self._model(options))

    def _limit(self, options: Options) -> TokenBudget | None:
        if options.budget is None:
            if options.reserve:
                raise InvalidParams("`reserve` is a part of `budget`: give both", reserve=options.reserve)
            return None
        reserve = self.config.reserve_tokens if options.reserve is None else options.reserve
        if options.budget <= reserve:
            raise InvalidParams(
                f"`budget` is {options.budget} tokens, of which {reserve} are reserved for output: none are"
                " left for the prompt; raise `budget` or lower `reserve`",
                budget=options.budget,
                reserve=reserve,
            )
        return TokenBudget(options.budget, reserve)

    def _model(self, options: Options) -> Model | None:
        name = self.config.model if options.model is None else options.model
        if name and name not in self.models:
            listed = ", ".join(self.models) or "none, since `tokens.models` of the configuration is empty"
            raise InvalidParams(f"model: no model {name!r}; there are: {listed}", model=name)
        return self.models.get(name)


def rules_of(config: Config) -> Rules:
    """How prompts of a library are assembled, by its configuration."""
    library = config.library
    return Rules(
        missing=library.missing,
        shell=library.shell,
        once=library.once,
        max_depth=library.max_depth,
        max_chars=library.max_prompt_bytes,
        variables=dict(library.variables),
        arguments_base=tuple(root.arguments_base for root in config.roots),
        imports=tuple(ImportRules(root.imports, library.max_import_hops) for root in config.roots),
    )
