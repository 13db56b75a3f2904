#!/usr/bin/env Rscript
# Reference fits of behavior models by R: glm, survival::clogit, nnet::multinom, glmnet
# and the robust errors of sandwich.
#
#     tools/reference_behavior.R bank-additional-full.csv.gz hillstrom.csv.gz iris.csv test/reference/travel_mode.csv > test/reference/behavior_r.csv
#
# Derived numbers only.  Each model is described in the comments that the file begins
# with; tools/reference_behavior.py fits the same in Python.  The reference level of a
# column is the first in the order of bytes.

suppressPackageStartupMessages({
    library(survival)
    library(nnet)
    library(sandwich)
    library(glmnet)
})

paths <- commandArgs(TRUE)
# Smaller would not see what is aliased, as epsilon / 1000 is the tolerance for that.
exact <- glm.control(epsilon = 1e-12, maxit = 100)
invisible(Sys.setlocale("LC_COLLATE", "C"))

# One line: what is not said is empty.
say <- function(model, metric, value, class = "", term = "", level = "")
    cat(sprintf("%s,%s,%s,%s,%s,%.17g\n", model, class, term, level, metric, value), sep = "")

# glm names a level by the column and the level, one after the other.
split_name <- function(name, columns) {
    if (name == "(Intercept)") return(c("intercept", ""))
    column <- columns[startsWith(name, columns)]
    column <- column[which.max(nchar(column))]
    c(column, substring(name, nchar(column) + 1))
}

say_terms <- function(model, metric, values, columns, class = "")
    for (name in names(values)) {
        where <- split_name(name, columns)
        say(model, metric, values[[name]], class, where[1], where[2])
    }

say_fit <- function(model, fit) {
    columns <- attr(terms(fit), "term.labels")
    table <- summary(fit)$coefficients # what is aliased is left out
    say_terms(model, "estimate", table[, 1], columns)
    say_terms(model, "std_error", table[, 2], columns)
    say_terms(model, "robust_error", sqrt(diag(sandwich(fit)))[rownames(table)], columns)
    # The deviance of single trials is -2 log likelihood, also where weights are no counts.
    say(model, "log_likelihood", -fit$deviance / 2)
    say(model, "null_log_likelihood", -fit$null.deviance / 2)
    say(model, "aic", fit$deviance + 2 * nrow(table))
    say(model, "bic", fit$deviance + log(nobs(fit)) * nrow(table))
    say(model, "n", nobs(fit))
}

cat(sprintf("# tools/reference_behavior.R, R %s, survival %s, nnet %s, sandwich %s, glmnet %s\n", getRversion(),
    packageVersion("survival"), packageVersion("nnet"), packageVersion("sandwich"), packageVersion("glmnet")))
cat("# bank, bank_collinear: y of bank-additional-full, dots in names being underscores; without default, housing, loan and duration,
#   and with all of them but default (housing = unknown and loan = unknown are the same rows, so the latter is aliased)
# hillstrom: visit by all but conversion and spend; hillstrom_nested: without segment
# generated, generated_weighted: y of generated_behavior() in tools/reference_behavior.R, the second with weights w and offset o;
#   generated_rare: of every tenth row, with the offset o + 5 and a factor; generated_levels: without an intercept, so with all levels
#   clustered by g with the factor G / (G - 1); *_lambda: glmnet, mean loss + lambda (alpha |b| + (1 - alpha) b^2 / 2), standardized
# channel: Hillstrom's channel, multinomial, Multichannel being the reference class
# travel_mode: clogit, ties being none; stratum is the individual; clustered_error_adjusted: by the individual modulo 40, robust errors of
#   Breslow's method (the same likelihood without ties) with the factor G / (G - 1) * (n - 1) / (n - k), n being sets
# iris_alpha_A_lambda_L, classes_alpha_A_lambda_L: glmnet, multinomial, ungrouped: a vector for each class; as for generated, the second
#   of k of generated_behavior(); intercepts have the mean 0
# robust_error: HC0\n")
cat("model,class,term,level,metric,value\n")

bank <- read.csv(paths[1], sep = ";", stringsAsFactors = TRUE)
names(bank) <- gsub(".", "_", names(bank), fixed = TRUE)
bank$y <- bank$y == "yes"
say_fit("bank", glm(y ~ . - default - housing - loan - duration, binomial, bank, control = exact))
suppressWarnings(say_fit("bank_collinear", glm(y ~ . - default, binomial, bank, control = exact)))

hillstrom <- read.csv(paths[2], stringsAsFactors = TRUE)
# The band of history is a function of history.
formula <- visit ~ recency + history + mens + womens + zip_code + newbie + channel + segment
fit <- glm(formula, binomial, hillstrom, control = exact)
nested <- glm(update(formula, . ~ . - segment), binomial, hillstrom, control = exact)
say_fit("hillstrom", fit)
say_fit("hillstrom_nested", nested)
test <- anova(nested, fit, test = "LRT")
say("hillstrom", "likelihood_ratio", test$Deviance[2])
say("hillstrom", "likelihood_ratio_p_value", test[["Pr(>Chi)"]][2])

# The same numbers in every language: all products are integers below 2^53.
generated_behavior <- function(n) {
    i <- 1:n
    # Quadratic residues, spread over 0 ... 1.
    u <- function(a, b) ((i * i) %% 1000003 * a + i * b) %% 1000003 / 1000003
    x <- data.frame(x1 = u(349, 7919) - 0.5, x2 = 10 * u(5081, 104729), x3 = u(92821, 1299) ^ 2, x4 = (u(611953, 31) < 0.3) + 0,
        x5 = 100 * u(777, 65537) - 50)
    z <- -0.5 + x$x1 - 0.2 * x$x2 + 0.5 * x$x3 + x$x4 + 0.03 * x$x5
    e <- exp(cbind(0, x$x1 + 0.02 * x$x5, 0.5 - 0.2 * x$x2 + x$x4, x$x3 - x$x1 - 0.5))
    cumulative <- cbind(e[, 1], e[, 1] + e[, 2], e[, 1] + e[, 2] + e[, 3]) / rowSums(e)
    cbind(x, k = rowSums(u(271829, 31415) > cumulative), y = u(424243, 485818) < 1 / (1 + exp(-z)), w = 0.5 + u(31337, 2718), o = u(161803, 577) - 0.5, g = i %% 53)
}

generated <- generated_behavior(4000)
fit <- glm(y ~ x1 + x2 + x3 + x4 + x5, binomial, generated, control = exact)
say_fit("generated", fit)
say_terms("generated", "clustered_error", sqrt(diag(vcovCL(fit, generated$g))), names(generated))
generated$f <- factor(c("a", "b", "c")[seq_len(nrow(generated)) %% 3 + 1])
generated$rare <- generated$y & seq_len(nrow(generated)) %% 10 == 0
generated$high <- generated$o + 5
suppressWarnings(say_fit("generated_rare", glm(rare ~ x1 + x5 + f, binomial, generated, weights = w, offset = high, control = exact)))
suppressWarnings(say_fit("generated_levels", glm(rare ~ 0 + x1 + x5 + f, binomial, generated, weights = w, offset = high, control = exact)))
suppressWarnings(say_fit("generated_weighted", glm(y ~ x1 + x2 + x3 + x4 + x5, binomial, generated, weights = w, offset = o, control = exact)))
x <- as.matrix(generated[, 1:5])
for (alpha in c(1, 0.5)) {
    lambdas <- c(0.1, 0.03, 0.01, 0.001)
    fit <- glmnet(x, generated$y, "binomial", alpha = alpha, lambda = lambdas, thresh = 1e-16, maxit = 1e7)
    for (lambda in lambdas) {
        values <- as.matrix(coef(fit, s = lambda))[, 1]
        say_terms(sprintf("generated_alpha_%g_lambda_%g", alpha, lambda), "estimate", values, names(generated))
    }
}

# Coefficients of several classes along lambda.
say_classes <- function(model, x, y, lambdas)
    for (alpha in c(1, 0.5)) {
        fit <- glmnet(x, y, "multinomial", alpha = alpha, lambda = lambdas, thresh = 1e-16, maxit = 1e7)
        for (lambda in lambdas)
            for (class in fit$classnames)
                say_terms(sprintf("%s_alpha_%g_lambda_%g", model, alpha, lambda), "estimate", as.matrix(coef(fit, s = lambda)[[class]])[, 1], colnames(x), class)
    }

iris <- read.csv(paths[3])
say_classes("iris", as.matrix(iris[, 1:4]), iris$target, c(0.1, 0.03, 0.01))
say_classes("classes", x, generated$k, c(0.1, 0.03, 0.01, 0.001))

fit <- multinom(channel ~ recency + history + mens + womens + newbie + zip_code, hillstrom, trace = FALSE, reltol = 1e-16, maxit = 10000)
columns <- attr(terms(fit), "term.labels")
for (class in rownames(coef(fit))) {
    say_terms("channel", "estimate", coef(fit)[class, ], columns, class)
    say_terms("channel", "std_error", summary(fit)$standard.errors[class, ], columns, class)
}
say("channel", "log_likelihood", as.numeric(logLik(fit)))

travel <- read.csv(paths[4], comment.char = "#")
for (mode in c("air", "train", "bus")) travel[[mode]] <- (travel$mode == mode) + 0
travel$income_air <- travel$income * travel$air
fit <- clogit(chosen ~ air + train + bus + cost + wait + income_air + strata(individual), travel, method = "exact",
    control = coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 100))
table <- summary(fit)$coefficients
for (name in rownames(table)) {
    say("travel_mode", "estimate", table[name, "coef"], term = name)
    say("travel_mode", "std_error", table[name, "se(coef)"], term = name)
}
say("travel_mode", "log_likelihood", fit$loglik[2])
say("travel_mode", "null_log_likelihood", fit$loglik[1])
# Scores of the exact method are not available.
clustered <- clogit(chosen ~ air + train + bus + cost + wait + income_air + strata(individual) + cluster(individual %% 40), travel,
    method = "breslow", control = coxph.control(eps = 1e-14, toler.chol = 1e-16, iter.max = 100))
clusters <- length(unique(travel$individual %% 40))
sets <- length(unique(travel$individual))
errors <- sqrt(diag(vcov(clustered)) * clusters / (clusters - 1) * (sets - 1) / (sets - nrow(table)))
for (name in rownames(table)) say("travel_mode", "clustered_error_adjusted", errors[[name]], term = name)
